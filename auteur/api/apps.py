"""Registers the shared API parts with Django."""

from django.apps import AppConfig
from django.conf import settings


class ApiConfig(AppConfig):
    """What all endpoints share."""

    name = "auteur.api"
    label = "api"

    def ready(self) -> None:
        """Say what we hold of people; have faults reported, where a place for them is set."""
        from auteur.api import personal_data

        personal_data.register_holding()
        if settings.SENTRY_DSN:
            from auteur import reports

            reports.start(dsn=settings.SENTRY_DSN, environment=settings.SENTRY_ENVIRONMENT)
