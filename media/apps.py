from django.apps import AppConfig


class MediaConfig(AppConfig):
    name = "media"

    def ready(self) -> None:
        """Say which objects our rows own."""
        from media import owners

        owners.register_all()
