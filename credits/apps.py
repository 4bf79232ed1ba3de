"""Registers the app with Django."""

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    """The `credits` app."""

    name = "credits"

    def ready(self) -> None:
        """Say what we hold of people."""
        from credits import personal_data

        personal_data.register_personal_data()
