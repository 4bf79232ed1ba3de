"""Create, change and disable a user's webhook endpoints, and rotate their secrets."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from jobs.integrations.webhooks import secrets
from jobs.integrations.webhooks.models import DisabledReason, WebhookEndpoint

MAX_ENDPOINTS = 10
"""How many endpoints one user may have."""
ROTATION = timedelta(hours=24)
"""How long the previous secret keeps signing after a rotation."""


class TooManyEndpointsProblem(Problem):
    """Raised if the user has the maximum number of endpoints."""

    status_code = 409
    default_code = "too_many_endpoints"
    default_detail = "You have reached the limit of endpoints. Delete one first."


def list_endpoints(user_id: UUID) -> QuerySet[WebhookEndpoint]:
    """Return the user's endpoints, without the one that stands for callbacks."""
    return WebhookEndpoint.objects.filter(user_id=user_id, url__isnull=False)


def get_endpoint(*, user_id: UUID, endpoint_id: UUID, callbacks: bool = False) -> WebhookEndpoint:
    """Return the user's endpoint. With ``callbacks``, it may be the one for callbacks.

    Raises ``NotFoundProblem``.
    """
    endpoints = (
        WebhookEndpoint.objects.filter(user_id=user_id) if callbacks else list_endpoints(user_id)
    )
    endpoint = endpoints.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFoundProblem(Resource.WEBHOOK_ENDPOINT)
    return endpoint


@transaction.atomic
def create_endpoint(
    *, user_id: UUID, url: str, events: Sequence[str], description: str, enabled: bool
) -> WebhookEndpoint:
    """Create an endpoint. Raise ``TooManyEndpointsProblem``."""
    # The lock makes concurrent requests of this user wait, so that the count stays valid.
    get_user_model().objects.select_for_update(no_key=True).get(pk=user_id)
    if list_endpoints(user_id).count() >= MAX_ENDPOINTS:
        raise TooManyEndpointsProblem(max_endpoints=MAX_ENDPOINTS)
    endpoint = WebhookEndpoint.objects.create(
        user_id=user_id,
        url=url,
        events=list(events),
        description=description,
        secret=secrets.create_secret(),
        **({} if enabled else _build_disabled_columns(DisabledReason.OWNER)),
    )
    endpoint.refresh_from_db()
    return endpoint


def update_endpoint(endpoint: WebhookEndpoint, changes: Mapping[str, Any]) -> WebhookEndpoint:
    """Change the given fields of an endpoint. A new URL has to be verified again.

    Setting ``enabled`` clears the reason for which it was disabled and the record of its failures.
    """
    values = dict(changes)
    enabled = values.pop("enabled", None)
    if enabled:
        values |= {"disabled_at": None, "disabled_reason": None, "failing_since": None}
    elif enabled is False and endpoint.disabled_at is None:
        values |= _build_disabled_columns(DisabledReason.OWNER)
    if values.get("url", endpoint.url) != endpoint.url:
        values["verified_at"] = None
    if values:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**values)
        endpoint.refresh_from_db()
    return endpoint


def rotate_secret(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Create a new secret. The previous secret also signs for ``ROTATION``, an older one never."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        previous_secret=F("secret"),
        previous_secret_expires_at=Now() + ROTATION,
        secret=secrets.create_secret(),
    )
    endpoint.refresh_from_db()
    return endpoint


def get_callbacks_endpoint(user_id: UUID) -> WebhookEndpoint:
    """Return the endpoint that stands for the user's callbacks. Create it if it is missing."""
    endpoint, _ = WebhookEndpoint.objects.get_or_create(
        user_id=user_id, url=None, defaults={"secret": secrets.create_secret()}
    )
    return endpoint


def _build_disabled_columns(reason: DisabledReason) -> dict[str, Any]:
    return {"disabled_at": Now(), "disabled_reason": reason}
