"""The app's registration with Django."""

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    """The `credits` app."""

    name = "credits"

    def ready(self) -> None:
        """Register the app's personal data."""
        from credits import personal_data

        personal_data.register_personal_data()
