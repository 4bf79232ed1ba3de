from django.apps import AppConfig


class MediaConfig(AppConfig):
    name = "media"

    def ready(self) -> None:
        """Say which objects our rows own, and have it checked who signs results."""
        from media import owners
        from media.provenance import checks

        owners.register_all()
        checks.register()
