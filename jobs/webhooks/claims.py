"""Deliveries held by a sender: claimed, finished, given back.

The words are those of `auteur.leases`; why not its kernel: docs/decisions/0029.
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

from auteur import liveness
from jobs import sql
from jobs.webhooks import verification
from jobs.webhooks.models import (
    DeliveryError,
    DeliveryState,
    DisabledReason,
    WebhookDelivery,
    WebhookEndpoint,
)
from jobs.webhooks.retrying import DISABLED_AFTER, wait_after

TIME_LIMIT_SECONDS = 10.0
"""Of one try, from the name's resolution to the end of the answer."""
LEASE = timedelta(seconds=TIME_LIMIT_SECONDS + settings.WORKER_LEASE_SECONDS)
LANE_AT_ONCE = 4
"""Deliveries of a queue that a process has under way."""
OWNER_AT_ONCE = 20
"""Deliveries of a user that a process has under way: five full queues."""
QUEUES_READ = 4
"""Due queues that are read for each place: of many, the user comes before the queue."""


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours to send, and how."""

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
        """Those that sign it, the newest first."""
        return [bytes(one) for one in (self.secret, self.previous_secret) if one is not None]

    @property
    def content(self) -> str:
        """The body as it is sent: a challenge is never stored."""
        if self.type != verification.TYPE:
            return self.body
        return verification.with_challenge(self.body, delivery_id=self.id, url=self.url or "")


@dataclass(frozen=True)
class Outcome:
    """What came of a try; without ``error`` it succeeded."""

    error: DeliveryError | None
    status: int | None = None
    duration_ms: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: str | None = None
    asked: timedelta | None = None
    is_verified: bool = False
    """Whether the receiver has answered with the challenge that it was sent."""


Tried = tuple[Claimed, Outcome]


@transaction.atomic
def claim(
    *,
    holder: str,
    limit: int,
    busy: Mapping[UUID, int] | None = None,
    busy_owners: Mapping[UUID, int] | None = None,
    slow: Collection[UUID] = (),
    is_slow: bool = False,
) -> list[Claimed]:
    """Hold due deliveries: of slow queues or of the others, users first.

    With those that are under way (``busy`` by queue, ``busy_owners`` by user) a queue has no more
    than ``LANE_AT_ONCE``, a user no more than ``OWNER_AT_ONCE``.
    """
    if limit <= 0 or (is_slow and not slow):
        return []
    queues = sql.run(
        "lock_due_queues", slow=list(slow), is_slow=is_slow, queues=QUEUES_READ * limit
    )
    if not queues:
        return []
    rows = sql.run(
        "claim_deliveries",
        queue_ids=[queue_id for (queue_id,) in queues],
        holder=holder,
        limit=limit,
        lease=LEASE,
        at_once=LANE_AT_ONCE,
        owner_at_once=OWNER_AT_ONCE,
        busy=json.dumps({str(lane): number for lane, number in (busy or {}).items()}),
        busy_owners=json.dumps({str(pk): number for pk, number in (busy_owners or {}).items()}),
    )
    return [Claimed(*row) for row in rows]


@transaction.atomic
def finish(tried: Sequence[Tried], *, holder: str) -> int:
    """Write what came of tries, as far as they are still ours; returns how many were."""
    outcomes = json.dumps([_stored(claimed, outcome) for claimed, outcome in tried])
    rows = sql.run("finish_deliveries", outcomes=outcomes, holder=holder)
    succeeded = {endpoint for endpoint, state, _ in rows if state == DeliveryState.SUCCEEDED}
    gone = {endpoint for endpoint, _, code in rows if code == DeliveryError.GONE}
    unsent = {DeliveryError.ENDPOINT_DISABLED, DeliveryError.ENDPOINT_DELETED}
    failed = {endpoint for endpoint, _, code in rows if code and code not in unsent}
    _judge(succeeded=succeeded, failed=failed - succeeded, gone=gone)
    for claimed, outcome in tried:
        if outcome.is_verified and claimed.url is not None:
            verification.mark_verified(endpoint_id=claimed.lane, url=claimed.url)
    return len(rows)


def _stored(claimed: Claimed, outcome: Outcome) -> dict[str, Any]:
    state, wait = DeliveryState.SUCCEEDED, None
    if outcome.error is not None:
        wait = wait_after(tries=claimed.tries, error=outcome.error, asked=outcome.asked)
        state = DeliveryState.WAITING if wait is not None else DeliveryState.FAILED
    return {
        "id": str(claimed.id),
        "tries": claimed.tries,
        "state": state,
        "after_seconds": wait.total_seconds() if wait is not None else None,
        "status": outcome.status,
        "duration_ms": outcome.duration_ms,
        "error_code": outcome.error,
        "request_headers": dict(outcome.headers),
        "answer": outcome.answer,
    }


def _judge(*, succeeded: set[UUID], failed: set[UUID], gone: set[UUID]) -> None:
    """Note since when an endpoint fails, and disable those that are gone or failed for too long.

    Callbacks have an address each, so nothing is said of them together.
    """
    endpoints = WebhookEndpoint.objects.filter(url__isnull=False)
    if succeeded:
        endpoints.filter(pk__in=succeeded, failing_since__isnull=False).update(failing_since=None)
    if failed:
        endpoints.filter(pk__in=failed, failing_since=None).update(failing_since=Now())
        failing = endpoints.filter(pk__in=failed, failing_since__lte=Now() - DISABLED_AFTER)
        _disable(failing, DisabledReason.FAILING)
    if gone:
        _disable(endpoints.filter(pk__in=gone), DisabledReason.GONE)


def _disable(endpoints: Any, reason: DisabledReason) -> None:
    endpoints.filter(disabled_at=None).update(disabled_at=Now(), disabled_reason=reason)


def release(deliveries: Any) -> int:
    """Let held deliveries be due as if they had not been claimed; returns how many."""
    updated: int = deliveries.filter(holder__isnull=False).update(
        holder=None, due_at=Now(), tries=F("tries") - 1
    )
    return updated


def release_own(holder: str, *, known: Collection[UUID] = ()) -> int:
    """Give back what this process holds, but for the deliveries that it knows of."""
    return release(WebhookDelivery.objects.filter(holder=holder).exclude(pk__in=known))


def release_lost() -> int:
    """Give back what processes held that are dead for sure; a silent one's lease ends by itself."""
    held = WebhookDelivery.objects.filter(holder__isnull=False)
    holders = held.values_list("holder", flat=True).distinct()
    gone = [name for name in holders if name and liveness.is_process_dead(name)]
    return release(WebhookDelivery.objects.filter(holder__in=gone)) if gone else 0
