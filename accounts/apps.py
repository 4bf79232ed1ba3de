from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The `accounts` app."""

    name = "accounts"

    def ready(self) -> None:
        """Say which values are encrypted."""
        from accounts.staff.models import PURPOSE
        from auteur import encryption

        encryption.register("accounts.Authenticator", "secret", purpose=PURPOSE)
