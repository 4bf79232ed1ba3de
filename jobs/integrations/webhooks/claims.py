"""Claim, finish and release deliveries.

The terms are those of `auteur.core.work.leases`. docs/decisions/0029 says why its code is not used.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from auteur.core.work import liveness
from jobs import sql
from jobs.integrations.webhooks import verification
from jobs.integrations.webhooks.models import (
    DeliveryError,
    DeliveryState,
    DisabledReason,
    WebhookDelivery,
    WebhookEndpoint,
)
from jobs.integrations.webhooks.retrying import DISABLED_AFTER, compute_wait

TIME_LIMIT_SECONDS = 10.0
"""The limit of one try, from resolving the host name to the end of the answer."""
LEASE = timedelta(seconds=TIME_LIMIT_SECONDS + settings.WORKER_LEASE_SECONDS)
MAX_PER_QUEUE = 4
"""How many deliveries of one queue a process sends at the same time."""
MAX_PER_USER = 20
"""How many deliveries of one user a process sends at the same time: five full queues."""
QUEUES_READ = 4
"""How many due queues are read for each delivery to claim, so that many users get a share."""


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery that this process has claimed, with the data needed to send it."""

    id: UUID
    tries: int
    lane: UUID
    owner_id: UUID
    type: str
    url: str | None
    body: str
    has_endpoint: bool
    is_disabled: bool
    secret: bytes | None
    previous_secret: bytes | None

    @property
    def secrets(self) -> list[bytes]:
        """Return the secrets that sign the delivery, the newest first."""
        return [
            bytes(secret) for secret in (self.secret, self.previous_secret) if secret is not None
        ]

    @property
    def content(self) -> str:
        """Return the body as it is sent. The stored body has no challenge."""
        if self.type != verification.TYPE:
            return self.body
        return verification.add_challenge(self.body, delivery_id=self.id, url=self.url or "")


@dataclass(frozen=True)
class Outcome:
    """The result of a try. It succeeded if ``error`` is None."""

    error: DeliveryError | None
    status: int | None = None
    duration_ms: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: str | None = None
    retry_after: timedelta | None = None
    """The pause that the receiver has requested."""
    is_verified: bool = False
    """True if the receiver has answered with its challenge."""


DeliveryResult = tuple[ClaimedDelivery, Outcome]


@transaction.atomic
def claim(
    *,
    holder: str,
    limit: int,
    busy: Mapping[UUID, int] | None = None,
    busy_owners: Mapping[UUID, int] | None = None,
    slow: Collection[UUID] = (),
    is_slow: bool = False,
) -> list[ClaimedDelivery]:
    """Claim due deliveries, either of slow queues or of all others, alternating between users.

    Including the deliveries in flight (``busy`` by queue, ``busy_owners`` by user), a queue has no
    more than ``MAX_PER_QUEUE`` and a user no more than ``MAX_PER_USER``.
    """
    if limit <= 0 or (is_slow and not slow):
        return []
    queue_rows = sql.run(
        "lock_due_queues", slow=list(slow), is_slow=is_slow, queues=QUEUES_READ * limit
    )
    if not queue_rows:
        return []
    rows = sql.run(
        "claim_deliveries",
        queue_ids=[queue_id for (queue_id,) in queue_rows],
        holder=holder,
        limit=limit,
        lease=LEASE,
        at_once=MAX_PER_QUEUE,
        owner_at_once=MAX_PER_USER,
        busy=json.dumps({str(queue_id): number for queue_id, number in (busy or {}).items()}),
        busy_owners=json.dumps(
            {str(user_id): number for user_id, number in (busy_owners or {}).items()}
        ),
    )
    return [ClaimedDelivery(*row) for row in rows]


@transaction.atomic
def finish(tries: Sequence[DeliveryResult], *, holder: str) -> int:
    """Store the outcomes of tries whose lease this process still has. Return how many."""
    outcomes = json.dumps([_build_outcome_row(delivery, outcome) for delivery, outcome in tries])
    rows = sql.run("finish_deliveries", outcomes=outcomes, holder=holder)
    succeeded_ids = {
        endpoint_id for endpoint_id, state, _ in rows if state == DeliveryState.SUCCEEDED
    }
    gone_ids = {endpoint_id for endpoint_id, _, code in rows if code == DeliveryError.GONE}
    unsent_errors = {DeliveryError.ENDPOINT_DISABLED, DeliveryError.ENDPOINT_DELETED}
    failed_ids = {
        endpoint_id for endpoint_id, _, code in rows if code and code not in unsent_errors
    }
    _update_endpoint_health(
        succeeded_ids=succeeded_ids, failed_ids=failed_ids - succeeded_ids, gone_ids=gone_ids
    )
    for delivery, outcome in tries:
        if outcome.is_verified and delivery.url is not None:
            verification.mark_verified(endpoint_id=delivery.lane, url=delivery.url)
    return len(rows)


def _build_outcome_row(delivery: ClaimedDelivery, outcome: Outcome) -> dict[str, Any]:
    state, wait = DeliveryState.SUCCEEDED, None
    if outcome.error is not None:
        wait = compute_wait(
            tries=delivery.tries, error=outcome.error, retry_after=outcome.retry_after
        )
        state = DeliveryState.WAITING if wait is not None else DeliveryState.FAILED
    return {
        "id": str(delivery.id),
        "tries": delivery.tries,
        "state": state,
        "after_seconds": wait.total_seconds() if wait is not None else None,
        "status": outcome.status,
        "duration_ms": outcome.duration_ms,
        "error_code": outcome.error,
        "request_headers": dict(outcome.headers),
        "answer": outcome.answer,
    }


def _update_endpoint_health(
    *, succeeded_ids: set[UUID], failed_ids: set[UUID], gone_ids: set[UUID]
) -> None:
    """Record since when endpoints fail. Disable those that are gone or have failed for too long.

    Callbacks are left out: each has a URL of its own, so one failure says nothing about the others.
    """
    endpoints = WebhookEndpoint.objects.filter(url__isnull=False)
    if succeeded_ids:
        endpoints.filter(pk__in=succeeded_ids, failing_since__isnull=False).update(
            failing_since=None
        )
    if failed_ids:
        endpoints.filter(pk__in=failed_ids, failing_since=None).update(failing_since=Now())
        expired_endpoints = endpoints.filter(
            pk__in=failed_ids, failing_since__lte=Now() - DISABLED_AFTER
        )
        _disable_endpoints(expired_endpoints, DisabledReason.FAILING)
    if gone_ids:
        _disable_endpoints(endpoints.filter(pk__in=gone_ids), DisabledReason.GONE)


def _disable_endpoints(endpoints: Any, reason: DisabledReason) -> None:
    endpoints.filter(disabled_at=None).update(disabled_at=Now(), disabled_reason=reason)


def release(deliveries: Any) -> int:
    """Release claimed deliveries as if they had not been claimed. Return how many."""
    updated: int = deliveries.filter(holder__isnull=False).update(
        holder=None, due_at=Now(), tries=F("tries") - 1
    )
    return updated


def release_own(holder: str, *, in_flight_ids: Collection[UUID] = ()) -> int:
    """Release this process's deliveries, except those in flight. Return how many."""
    return release(WebhookDelivery.objects.filter(holder=holder).exclude(pk__in=in_flight_ids))


def release_lost() -> int:
    """Release the deliveries of processes known to be dead. Return how many.

    The leases of processes that are only silent expire by themselves.
    """
    claimed_deliveries = WebhookDelivery.objects.filter(holder__isnull=False)
    holders = claimed_deliveries.values_list("holder", flat=True).distinct()
    dead_holders = [holder for holder in holders if holder and liveness.is_process_dead(holder)]
    return release(WebhookDelivery.objects.filter(holder__in=dead_holders)) if dead_holders else 0
