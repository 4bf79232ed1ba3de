"""Register webhooks, streams and partners with Django and with the parts that call them."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """The app of the integrations. Its models keep the label ``jobs``, which names their tables."""

    name = "jobs.integrations"
    label = "integrations"

    def ready(self) -> None:
        """Register encrypted columns, personal data and sweeps."""
        from auteur.core import encryption
        from jobs.integrations import personal_data, sweeps
        from jobs.integrations.partners.models import PURPOSE
        from jobs.integrations.webhooks import secrets

        encryption.register_columns(
            "jobs.WebhookEndpoint", "secret", "previous_secret", purpose=secrets.PURPOSE
        )
        encryption.register_columns("jobs.Partner", "connection", purpose=PURPOSE)
        encryption.register_columns("jobs.PartnerRequest", "url", purpose=PURPOSE)
        personal_data.register_personal_data()
        sweeps.register_sweeps()
