"""Registers the shared API parts with Django."""

from django.apps import AppConfig
from django.conf import settings


class ApiConfig(AppConfig):
    """What all endpoints share."""

    name = "auteur.api"
    label = "api"

    def ready(self) -> None:
        """Say what we hold of people; have faults reported, where a place for them is set."""
        from auteur import encryption
        from auteur.api import idempotency, personal_data

        personal_data.register_personal_data()
        encryption.register_columns(
            "api.IdempotencyKey", "sealed_body", purpose=idempotency.PURPOSE
        )
        if settings.SENTRY_DSN:
            from auteur import reports

            reports.start_reporting(
                dsn=settings.SENTRY_DSN, environment=settings.SENTRY_ENVIRONMENT
            )
