"""Registration of the shared API parts with Django."""

from django.apps import AppConfig
from django.conf import settings


class ApiConfig(AppConfig):
    """The Django app of the shared API parts."""

    name = "auteur.core.api"
    label = "api"

    def ready(self) -> None:
        """Register personal data and encrypted columns. Start error reports if a DSN is set."""
        from auteur.core import encryption
        from auteur.core.api import idempotency, personal_data

        personal_data.register_personal_data()
        encryption.register_columns(
            "api.IdempotencyKey", "sealed_body", purpose=idempotency.PURPOSE
        )
        if settings.SENTRY_DSN:
            from auteur.core import reports

            reports.start_reporting(
                dsn=settings.SENTRY_DSN, environment=settings.SENTRY_ENVIRONMENT
            )
