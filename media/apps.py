"""Registers the app with Django."""

from django.apps import AppConfig


class MediaConfig(AppConfig):
    """The `media` app."""

    name = "media"

    def ready(self) -> None:
        """Say which objects our rows own."""
        from media import owners

        owners.register_all()
