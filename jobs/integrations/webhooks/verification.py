"""Prove that an endpoint's owner controls its URL (docs/decisions/0062).

We send a challenge to the URL. The receiver answers with the challenge, or the owner submits it.
The challenge is derived from our key, the delivery and the URL. It is neither stored nor shown, so
only a receiver of the delivery can have it.
"""

import json
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare, salted_hmac

from auteur.core.api.problems import Problem
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint

TYPE = "webhook.verification"
CHALLENGE_LENGTH = 64
VALID_FOR = timedelta(days=3)
"""How long a challenge is valid after its delivery was created: as long as it is retried."""
MAX_CHALLENGES = 10
"""How many of an endpoint's latest challenges can verify it."""


class EndpointUnverifiedProblem(Problem):
    """Raised if it is not proved that the endpoint's owner controls its URL."""

    status_code = 409
    default_code = "endpoint_unverified"
    default_detail = (
        "The endpoint is not verified. Send it a challenge by POST /webhooks/:id/challenge, and "
        "let it answer with the challenge, or submit the challenge by POST /webhooks/:id/verify."
    )


class WrongChallengeProblem(Problem):
    """Raised if the challenge was not sent to the endpoint's URL recently."""

    status_code = 409
    default_code = "wrong_challenge"
    default_detail = (
        f"The challenge was not sent to the endpoint's URL within {VALID_FOR.days} days. Send "
        "another one by POST /webhooks/:id/challenge."
    )


def compute_challenge(*, delivery_id: UUID, url: str) -> str:
    """Return the challenge that a delivery carries to a URL."""
    salt = "auteur.webhooks.challenge"
    return salted_hmac(salt, f"{delivery_id} {url}", algorithm="sha256").hexdigest()


def add_challenge(body: str, *, delivery_id: UUID, url: str) -> str:
    """Return a verification's body as it is sent."""
    event = json.loads(body)
    event["data"]["challenge"] = compute_challenge(delivery_id=delivery_id, url=url)
    return json.dumps(event, separators=(",", ":"))


def is_echo(answer: str, *, delivery_id: UUID, url: str) -> bool:
    """Return True if an answer is the challenge, as text or as `{"challenge": ...}`.

    No other form counts, because a server that echoes every request must not be verified by it.
    """
    challenge = compute_challenge(delivery_id=delivery_id, url=url)
    text = answer.strip()
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        value = value.get("challenge") if len(value) == 1 else None
    return isinstance(value, str) and constant_time_compare(value, challenge)


def verify(endpoint: WebhookEndpoint, challenge: str) -> WebhookEndpoint:
    """Verify an endpoint by a challenge that its URL has received.

    Raises ``WrongChallengeProblem``.
    """
    deliveries = WebhookDelivery.objects.filter(
        endpoint=endpoint, type=TYPE, created_at__gt=Now() - VALID_FOR
    )
    ids = deliveries.order_by("-created_at", "-pk").values_list("pk", flat=True)[:MAX_CHALLENGES]
    url = endpoint.url or ""
    valid_challenges = [compute_challenge(delivery_id=pk, url=url) for pk in ids]
    if not any(constant_time_compare(challenge, candidate) for candidate in valid_challenges):
        raise WrongChallengeProblem
    mark_verified(endpoint_id=endpoint.pk, url=url)
    endpoint.refresh_from_db()
    return endpoint


def mark_verified(*, endpoint_id: UUID, url: str) -> None:
    """Record that the owner controls the URL, if the endpoint still has this URL."""
    WebhookEndpoint.objects.filter(pk=endpoint_id, url=url, verified_at=None).update(
        verified_at=Now()
    )
