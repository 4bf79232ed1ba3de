"""Deliveries: made of events, asked for again, and kept for a while."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from auteur.api.problems import NotFoundProblem, Problem, Resource
from jobs import sql
from jobs.events import chain, cursors, epochs, log
from jobs.events.contract import ENDS, Wire
from jobs.models import EventCursor, Job
from jobs.webhooks import verification
from jobs.webhooks.addresses import origin
from jobs.webhooks.endpoints import get_callbacks_endpoint
from jobs.webhooks.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from jobs.webhooks.verification import EndpointUnverifiedProblem

CURSOR = "webhooks"
EVENTS_AT_ONCE = 500
"""Handed out in one transaction, to some ten endpoints each."""
MAX_REPLAYED = 1000
"""Events of one replay."""
KEPT = timedelta(days=30)
REMOVED_AT_ONCE = 5000
PING = "webhook.ping"
CALLBACK_QUEUES = 8
"""Of a user: each origin of their callback URLs belongs to one of these."""
AGAIN: Mapping[str, Any] = {"state": DeliveryState.WAITING, "tries": 0}


class DeliveryUnderWayProblem(Problem):
    """Somebody is sending it."""

    status_code = 409
    default_code = "delivery_under_way"
    default_detail = "This delivery is being sent. Wait for its result."


class EndpointDisabledProblem(Problem):
    """Nothing is sent to it."""

    status_code = 409
    default_code = "endpoint_disabled"
    default_detail = "The endpoint is disabled. Enable it first."


def fan_out_events() -> int:
    """Create the deliveries of the next events, unless another process does; return how many
    events there were.

    Where the log ends before what was handed out, it was set back: go on from its end.
    """
    seen = cursors.get_position(CURSOR)
    if seen >= log.last_position():
        end = epochs.log_end()
        if seen > end:
            epochs.report_log_behind(CURSOR, seen=seen, end=end)
            EventCursor.objects.filter(name=CURSOR, position=seen).update(position=end)
        return 0
    with transaction.atomic():
        position = cursors.lock_cursor(CURSOR)
        if position is None:
            return 0
        events = log.list_events_of_all(position=position, limit=EVENTS_AT_ONCE)
        if not events:
            return 0
        rows = [*_for_endpoints(events), *_for_callbacks(events)]
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        cursors.move_cursor(CURSOR, events[-1][0])
    return len(events)


Tail = Sequence[tuple[int, UUID, UUID, Wire]]


def _for_endpoints(events: Tail) -> Iterator[WebhookDelivery]:
    users = {user_id for _, user_id, _, _ in events}
    wanting: dict[UUID, list[WebhookEndpoint]] = {}
    enabled = WebhookEndpoint.objects.filter(url__isnull=False, disabled_at=None)
    for endpoint in enabled.filter(user_id__in=users):
        wanting.setdefault(endpoint.user_id, []).append(endpoint)
    for _, user_id, job_id, event in events:
        for endpoint in wanting.get(user_id, ()):
            if _wants(endpoint, event["type"]):
                yield _delivery(endpoint, event, job_id)


def _for_callbacks(events: Tail) -> Iterator[WebhookDelivery]:
    ended = {job_id for _, _, job_id, event in events if event["type"] in ENDS}
    called = Job.objects.filter(pk__in=ended, callback_url__isnull=False)
    urls = dict(called.values_list("pk", "callback_url"))
    named = cache(get_callbacks_endpoint)
    for _, user_id, job_id, event in events:
        if event["type"] in ENDS and (url := urls.get(job_id)):
            yield _delivery(named(user_id), event, job_id, url=url)


def _wants(endpoint: WebhookEndpoint, event_type: str) -> bool:
    return not endpoint.events or event_type in endpoint.events


def _delivery(
    endpoint: WebhookEndpoint, event: Wire, job_id: UUID | None, url: str | None = None
) -> WebhookDelivery:
    """Of an event: the same one, however often it is made."""
    seq = event.get("seq")
    return WebhookDelivery(
        id=uuid.uuid5(endpoint.pk, str(seq)) if seq else uuid.uuid4(),
        endpoint=endpoint,
        lane=_callback_queue(endpoint.pk, url) if url else endpoint.pk,
        url=url,
        seq=seq,
        job_id=job_id,
        type=event["type"],
        body=json.dumps(event, separators=(",", ":"), ensure_ascii=False),
        due_at=Now(),
    )


def _callback_queue(endpoint_id: UUID, url: str) -> UUID:
    digest = hashlib.sha256(origin(url).encode()).digest()
    return uuid.uuid5(endpoint_id, f"callbacks {digest[0] % CALLBACK_QUEUES}")


def create_ping(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """A delivery of no event, to try the endpoint; raises ``EndpointDisabledProblem``."""
    return _send_alone(endpoint, PING)


def create_challenge(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send the endpoint a challenge (`jobs.webhooks.verification`).

    Raises ``EndpointDisabledProblem``.
    """
    return _send_alone(endpoint, verification.TYPE)


def _send_alone(endpoint: WebhookEndpoint, event_type: str) -> WebhookDelivery:
    _check_enabled(endpoint)
    event = {
        "type": event_type,
        "timestamp": chain.timestamp(timezone.now()),
        "data": {"endpoint_id": str(endpoint.pk)},
    }
    delivery = _delivery(endpoint, event, None)
    delivery.save(force_insert=True)
    delivery.refresh_from_db()
    return delivery


def list_deliveries(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    """What was and will be sent there."""
    return WebhookDelivery.objects.filter(endpoint=endpoint)


def get_delivery(endpoint: WebhookEndpoint, delivery_id: UUID) -> WebhookDelivery:
    """One of the endpoint's; raises ``NotFoundProblem``."""
    delivery = list_deliveries(endpoint).filter(pk=delivery_id).first()
    if delivery is None:
        raise NotFoundProblem(Resource.WEBHOOK_DELIVERY, where="the log of this endpoint")
    return delivery


def redeliver(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send it again, at once and as if for the first time.

    Raises ``EndpointDisabledProblem``, ``DeliveryUnderWayProblem``.
    """
    _check_enabled(endpoint)
    free = WebhookDelivery.objects.filter(pk=delivery.pk, holder=None)
    if not free.update(**AGAIN, due_at=Now()):
        raise DeliveryUnderWayProblem
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def replay(endpoint: WebhookEndpoint, *, after: int) -> tuple[int, int]:
    """Send what came after this seq, whether or not it was sent; returns how many events, and the
    last one's seq (or ``after``).

    At most ``MAX_REPLAYED`` events are looked at. Raises ``EndpointDisabledProblem``,
    ``EndpointUnverifiedProblem`` and as `jobs.events.log.list_events`.
    """
    _check_enabled(endpoint)
    if endpoint.verified_at is None:
        raise EndpointUnverifiedProblem
    events = _events_after(endpoint.user_id, after)
    wanted = [event for event in events if _wants(endpoint, event["type"])]
    made = [_delivery(endpoint, one, UUID(one["data"]["job_id"])) for one in wanted]
    WebhookDelivery.objects.bulk_create(made, ignore_conflicts=True)
    ids = [one.pk for one in made]
    # What waits or is being sent comes anyway.
    ended = WebhookDelivery.objects.filter(pk__in=ids).exclude(state=DeliveryState.WAITING)
    ended.update(**AGAIN, due_at=Now())
    return len(made), events[-1]["seq"] if events else after


def _events_after(user_id: UUID, after: int) -> list[Wire]:
    events: list[Wire] = []
    while len(events) < MAX_REPLAYED:
        last = events[-1]["seq"] if events else after
        limit = min(log.MAX_EVENTS, MAX_REPLAYED - len(events))
        page = log.list_events(user_id=user_id, after=last, limit=limit)
        if not page:
            break
        events += page
    return events


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise EndpointDisabledProblem


def list_old_deliveries() -> QuerySet[WebhookDelivery]:
    """Those that are no longer kept."""
    return WebhookDelivery.objects.filter(created_at__lt=Now() - KEPT)


def delete_old_deliveries() -> int:
    """Remove some of the `list_old_deliveries`, the oldest first; returns how many."""
    return len(sql.run("remove_old_deliveries", kept=KEPT, limit=REMOVED_AT_ONCE))
