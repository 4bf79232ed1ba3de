"""Registers the app with Django, and its work with the workers."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The `accounts` app."""

    name = "accounts"

    def ready(self) -> None:
        """Say what we hold of people and encrypt, what workers do for accounts, what is swept."""
        from accounts import personal_data, retention, tasks
        from accounts.exporting import removal
        from accounts.staff.models import PURPOSE
        from auteur import encryption

        encryption.register("accounts.Authenticator", "secret", purpose=PURPOSE)
        personal_data.register_holding()
        removal.register_owner()
        removal.register_sweep()
        retention.register_sweep()
        tasks.register_work()
