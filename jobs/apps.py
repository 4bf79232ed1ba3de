"""Registers the app with Django, and with the rooms below it."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The `jobs` app."""

    name = "jobs"

    def ready(self) -> None:
        """Register hooks and checks."""
        from jobs import checks, hooks

        hooks.register()
        checks.register()
