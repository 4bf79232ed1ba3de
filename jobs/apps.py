"""Register the app with Django, and with the layers below it."""

from django.apps import AppConfig
from django.conf import settings


class JobsConfig(AppConfig):
    """The `jobs` app."""

    name = "jobs"

    def ready(self) -> None:
        """Register hooks and checks; refuse to start with meaningless prices."""
        from jobs import checks, hooks, personal_data

        hooks.register_hooks()
        personal_data.register_personal_data()
        checks.register_checks()
        if settings.FEATURE_PRICES:  # Otherwise the features need not all be imported.
            from jobs.features.registry import check_prices

            check_prices()
