"""Registers the app with Django, and with the rooms below it."""

from django.apps import AppConfig
from django.conf import settings


class JobsConfig(AppConfig):
    """The `jobs` app."""

    name = "jobs"

    def ready(self) -> None:
        """Register hooks and checks; refuse to start with prices that mean nothing."""
        from jobs import checks, hooks

        hooks.register()
        checks.register()
        if settings.FEATURE_PRICES:  # else who needs no feature need not import them all
            from jobs.features.registry import check_prices

            check_prices()
