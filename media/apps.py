from django.apps import AppConfig


class MediaConfig(AppConfig):
    name = "media"

    def ready(self) -> None:
        """Say which objects our rows own and what is encrypted; check who signs results."""
        from auteur import encryption
        from media import owners
        from media.imports import limits
        from media.provenance import checks

        owners.register_all()
        encryption.register("media.MediaImport", "url", purpose=limits.PURPOSE)
        checks.register()
