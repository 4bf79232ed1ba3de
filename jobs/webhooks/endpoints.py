"""A user's endpoints: made, changed, given new secrets, disabled."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from auteur.api.problems import NotFoundProblem, Problem, Resource
from jobs.webhooks import secrets
from jobs.webhooks.models import DisabledReason, WebhookEndpoint

MAX_ENDPOINTS = 10
"""Of one user."""
ROTATION = timedelta(hours=24)
"""How long the secret before a new one signs as well."""


class TooManyEndpointsProblem(Problem):
    """One must go before another comes."""

    status_code = 409
    default_code = "too_many_endpoints"
    default_detail = "You have reached the limit of endpoints. Delete one first."


def list_endpoints(user_id: UUID) -> QuerySet[WebhookEndpoint]:
    """The user's, without what stands for their callbacks."""
    return WebhookEndpoint.objects.filter(user_id=user_id, url__isnull=False)


def get_endpoint(*, user_id: UUID, endpoint_id: UUID, callbacks: bool = False) -> WebhookEndpoint:
    """The user's endpoint, or with ``callbacks`` also what stands for these.

    Raises ``NotFoundProblem``.
    """
    own = WebhookEndpoint.objects.filter(user_id=user_id) if callbacks else list_endpoints(user_id)
    endpoint = own.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFoundProblem(Resource.WEBHOOK_ENDPOINT)
    return endpoint


@transaction.atomic
def create_endpoint(
    *, user_id: UUID, url: str, events: Sequence[str], description: str, enabled: bool
) -> WebhookEndpoint:
    """A new endpoint; raises ``TooManyEndpointsProblem``."""
    # Whoever makes another meanwhile waits here.
    get_user_model().objects.select_for_update(no_key=True).get(pk=user_id)
    if list_endpoints(user_id).count() >= MAX_ENDPOINTS:
        raise TooManyEndpointsProblem(max_endpoints=MAX_ENDPOINTS)
    endpoint = WebhookEndpoint.objects.create(
        user_id=user_id,
        url=url,
        events=list(events),
        description=description,
        secret=secrets.new_secret(),
        **({} if enabled else _disabled(DisabledReason.OWNER)),
    )
    endpoint.refresh_from_db()
    return endpoint


def update_endpoint(endpoint: WebhookEndpoint, given: Mapping[str, Any]) -> WebhookEndpoint:
    """Change what is given; ``enabled`` forgets why it was not, or that it failed.

    Another URL is not verified.
    """
    values = dict(given)
    enabled = values.pop("enabled", None)
    if enabled:
        values |= {"disabled_at": None, "disabled_reason": None, "failing_since": None}
    elif enabled is False and endpoint.disabled_at is None:
        values |= _disabled(DisabledReason.OWNER)
    if values.get("url", endpoint.url) != endpoint.url:
        values["verified_at"] = None
    if values:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**values)
        endpoint.refresh_from_db()
    return endpoint


def rotate_secret(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """A new secret; the one before it signs as well for ``ROTATION``, an older one no more."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        previous_secret=F("secret"),
        previous_secret_expires_at=Now() + ROTATION,
        secret=secrets.new_secret(),
    )
    endpoint.refresh_from_db()
    return endpoint


def get_callbacks_endpoint(user_id: UUID) -> WebhookEndpoint:
    """What stands for the user's callbacks, with their secret."""
    endpoint, _ = WebhookEndpoint.objects.get_or_create(
        user_id=user_id, url=None, defaults={"secret": secrets.new_secret()}
    )
    return endpoint


def _disabled(reason: DisabledReason) -> dict[str, Any]:
    return {"disabled_at": Now(), "disabled_reason": reason}
