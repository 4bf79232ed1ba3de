"""The app's registration with Django and with the apps below it."""

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class AccountsConfig(AppConfig):
    """The `accounts` app."""

    name = "accounts"

    def ready(self) -> None:
        """Register personal data, encrypted columns, work and sweeps; raise for unknown plans."""
        from accounts import personal_data, retention, tasks
        from accounts.exporting import deletion
        from accounts.staff.models import PURPOSE
        from auteur.core import encryption

        encryption.register_columns("accounts.Authenticator", "secret", purpose=PURPOSE)
        personal_data.register_personal_data()
        deletion.register_owner()
        deletion.register_sweep()
        deletion.register_revocation()
        retention.register_sweep()
        tasks.register_work()
        _register_billing()


def _register_billing() -> None:
    from accounts.models import Plan

    if unknown := sorted(set(settings.BILLING_PLANS) - set(Plan.values)):
        raise ImproperlyConfigured(
            f"BILLING_PLANS names {', '.join(unknown)}: use {', '.join(Plan.values)}."
        )
    if settings.STRIPE_SECRET_KEY:
        import stripe  # noqa: F401 - imported now, so that no request waits for it

        from accounts.billing import processing
        from jobs.orchestrator import periodic

        periodic.register_periodic(processing.process_billing, seconds=processing.ROUND_SECONDS)
        periodic.register_periodic(processing.find_missed_events, seconds=processing.FIND_SECONDS)
