"""Changing the key of what is encrypted: old values are read, new ones have the new key."""

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models

from auteur.core import encryption
from jobs.integrations.webhooks import endpoints, secrets
from jobs.integrations.webhooks.models import WebhookEndpoint


@pytest.fixture
def endpoint(user):
    return endpoints.create_endpoint(
        user_id=user.pk, url="https://receiver.example", events=[], description="", enabled=True
    )


@pytest.fixture
def new_key(endpoint, settings):
    """The key changes; what the endpoint shows since."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    return secrets.reveal_secret(endpoint.secret)


def renew() -> str:
    out = StringIO()
    call_command("renew_encryption", stdout=out)
    return out.getvalue().strip()


def test_a_fallback_can_go_once_all_is_encrypted_anew(endpoint, new_key, settings):
    assert renew() == "1 values were encrypted again."
    settings.SECRET_KEY_FALLBACKS = []
    endpoint.refresh_from_db()
    assert secrets.reveal_secret(endpoint.secret) == new_key
    assert renew() == "0 values were encrypted again."


def test_new_values_have_the_new_key(new_key, settings):
    made = secrets.create_secret()
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets.reveal_secret(made).startswith("whsec_")


def test_what_no_key_reads_is_counted_and_stays(endpoint, new_key):
    WebhookEndpoint.objects.update(previous_secret=b"rubbish")
    with pytest.raises(CommandError, match="1 values cannot be read"):
        renew()
    endpoint.refresh_from_db()
    assert bytes(endpoint.previous_secret) == b"rubbish"
    assert secrets.reveal_secret(endpoint.secret) == new_key


def test_more_rows_than_are_held_at_once(endpoint, new_key, monkeypatch):
    monkeypatch.setattr(encryption, "PAGE", 1)
    WebhookEndpoint.objects.bulk_create(
        WebhookEndpoint(user=endpoint.user, url="https://r.example", secret=endpoint.secret)
        for _ in range(2)
    )
    assert renew() == "3 values were encrypted again."


def test_every_column_of_bytes_is_registered_or_a_hash():
    result = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.BinaryField) and not field.name.endswith(("hash", "digest"))
    }
    assert {(column.model, column.name) for column in encryption.list_columns()} == result
