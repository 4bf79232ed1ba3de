from django.apps import AppConfig


class MediaConfig(AppConfig):
    name = "media"

    def ready(self) -> None:
        """Register the owned objects, encrypted columns, personal data and checks of this app."""
        from auteur.core import encryption
        from media import owners, personal_data
        from media.imports import limits
        from media.provenance import checks

        owners.register_all()
        personal_data.register_personal_data()
        encryption.register_columns("media.MediaImport", "url", purpose=limits.PURPOSE)
        checks.register_checks()
