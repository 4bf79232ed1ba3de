"""Create deliveries from events, send them again on request, and delete old ones."""

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

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from auteur.core.net.callable_urls import get_origin
from jobs import sql
from jobs.event_contract import ENDS, Wire
from jobs.events import chain, cursors, epochs, log
from jobs.integrations.webhooks import verification
from jobs.integrations.webhooks.endpoints import get_callbacks_endpoint
from jobs.integrations.webhooks.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from jobs.integrations.webhooks.verification import EndpointUnverifiedProblem
from jobs.models import EventCursor, Job

CURSOR = "webhooks"
EVENTS_PER_BATCH = 500
"""How many events one transaction fans out, to about ten endpoints each."""
MAX_REPLAYED = 1000
"""How many events one replay reads at most."""
RETENTION = timedelta(days=30)
DELETE_BATCH_SIZE = 5000
PING = "webhook.ping"
CALLBACK_QUEUES = 8
"""How many delivery queues a user's callback URLs share. A URL's origin decides its queue."""
RESET_COLUMNS: Mapping[str, Any] = {"state": DeliveryState.WAITING, "tries": 0}
"""The columns of a delivery that is sent again as if for the first time."""


class DeliveryUnderWayProblem(Problem):
    """Raised if the delivery is being sent."""

    status_code = 409
    default_code = "delivery_under_way"
    default_detail = "This delivery is being sent. Wait for its result, then try again."


class EndpointDisabledProblem(Problem):
    """Raised if the endpoint is disabled."""

    status_code = 409
    default_code = "endpoint_disabled"
    default_detail = "The endpoint is disabled. Enable it first."


def fan_out_events() -> int:
    """Create the deliveries of the next events and return how many events there were.

    Nothing is done while another process fans out. If the log ends before the cursor, the database
    was restored to an earlier state: the cursor goes back to the end of the log.
    """
    cursor_position = cursors.get_position(CURSOR)
    if cursor_position >= log.get_last_position():
        end = epochs.get_log_end()
        if cursor_position > end:
            epochs.report_log_behind(CURSOR, seen=cursor_position, end=end)
            EventCursor.objects.filter(name=CURSOR, position=cursor_position).update(position=end)
        return 0
    with transaction.atomic():
        position = cursors.lock_cursor(CURSOR)
        if position is None:
            return 0
        events = log.list_events_of_all(position=position, limit=EVENTS_PER_BATCH)
        if not events:
            return 0
        rows = [*_build_endpoint_deliveries(events), *_build_callback_deliveries(events)]
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        cursors.move_cursor(CURSOR, events[-1][0])
    return len(events)


Tail = Sequence[tuple[int, UUID, UUID, Wire]]


def _build_endpoint_deliveries(events: Tail) -> Iterator[WebhookDelivery]:
    user_ids = {user_id for _, user_id, _, _ in events}
    endpoints_by_user: dict[UUID, list[WebhookEndpoint]] = {}
    enabled_endpoints = WebhookEndpoint.objects.filter(url__isnull=False, disabled_at=None)
    for endpoint in enabled_endpoints.filter(user_id__in=user_ids):
        endpoints_by_user.setdefault(endpoint.user_id, []).append(endpoint)
    for _, user_id, job_id, event in events:
        for endpoint in endpoints_by_user.get(user_id, ()):
            if _is_subscribed(endpoint, event["type"]):
                yield _build_delivery(endpoint, event, job_id)


def _build_callback_deliveries(events: Tail) -> Iterator[WebhookDelivery]:
    ended_job_ids = {job_id for _, _, job_id, event in events if event["type"] in ENDS}
    jobs = Job.objects.filter(pk__in=ended_job_ids, callback_url__isnull=False)
    urls = dict(jobs.values_list("pk", "callback_url"))
    get_endpoint = cache(get_callbacks_endpoint)
    for _, user_id, job_id, event in events:
        if event["type"] in ENDS and (url := urls.get(job_id)):
            yield _build_delivery(get_endpoint(user_id), event, job_id, url=url)


def _is_subscribed(endpoint: WebhookEndpoint, event_type: str) -> bool:
    return not endpoint.events or event_type in endpoint.events


def _build_delivery(
    endpoint: WebhookEndpoint, event: Wire, job_id: UUID | None, url: str | None = None
) -> WebhookDelivery:
    """Build the delivery of an event. Its id is the same each time it is built."""
    seq = event.get("seq")
    return WebhookDelivery(
        id=uuid.uuid5(endpoint.pk, str(seq)) if seq else uuid.uuid4(),
        endpoint=endpoint,
        lane=_build_callback_queue_id(endpoint.pk, url) if url else endpoint.pk,
        url=url,
        seq=seq,
        job_id=job_id,
        type=event["type"],
        body=json.dumps(event, separators=(",", ":"), ensure_ascii=False),
        due_at=Now(),
    )


def _build_callback_queue_id(endpoint_id: UUID, url: str) -> UUID:
    digest = hashlib.sha256(get_origin(url).encode()).digest()
    return uuid.uuid5(endpoint_id, f"callbacks {digest[0] % CALLBACK_QUEUES}")


def create_ping(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Create a `webhook.ping` delivery, which has no event, to test the endpoint.

    Raises ``EndpointDisabledProblem``.
    """
    return _create_delivery_without_event(endpoint, PING)


def create_challenge(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Create a delivery with a challenge for the endpoint (`webhooks.verification`).

    Raises ``EndpointDisabledProblem``.
    """
    return _create_delivery_without_event(endpoint, verification.TYPE)


def _create_delivery_without_event(endpoint: WebhookEndpoint, event_type: str) -> WebhookDelivery:
    _check_enabled(endpoint)
    event = {
        "type": event_type,
        "timestamp": chain.format_timestamp(timezone.now()),
        "data": {"endpoint_id": str(endpoint.pk)},
    }
    delivery = _build_delivery(endpoint, event, None)
    delivery.save(force_insert=True)
    delivery.refresh_from_db()
    return delivery


def list_deliveries(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    """Return all deliveries of the endpoint, waiting and ended."""
    return WebhookDelivery.objects.filter(endpoint=endpoint)


def get_delivery(endpoint: WebhookEndpoint, delivery_id: UUID) -> WebhookDelivery:
    """Return a delivery of the endpoint. Raise ``NotFoundProblem``."""
    delivery = list_deliveries(endpoint).filter(pk=delivery_id).first()
    if delivery is None:
        raise NotFoundProblem(Resource.WEBHOOK_DELIVERY, where="the log of this endpoint")
    return delivery


def redeliver(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send the delivery again at once, as if for the first time.

    Raises ``EndpointDisabledProblem``, ``DeliveryUnderWayProblem``.
    """
    _check_enabled(endpoint)
    unclaimed_rows = WebhookDelivery.objects.filter(pk=delivery.pk, holder=None)
    if not unclaimed_rows.update(**RESET_COLUMNS, due_at=Now()):
        raise DeliveryUnderWayProblem
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def replay(endpoint: WebhookEndpoint, *, after: int) -> tuple[int, int]:
    """Send all events after a seq, including events that were sent before.

    Return how many deliveries there are, and the seq of the last event read, or ``after`` if there
    is none. At most ``MAX_REPLAYED`` events are read. Raises ``EndpointDisabledProblem``,
    ``EndpointUnverifiedProblem`` and the errors of `jobs.events.log.list_events`.
    """
    _check_enabled(endpoint)
    if endpoint.verified_at is None:
        raise EndpointUnverifiedProblem
    events = _list_events_after(endpoint.user_id, after)
    subscribed_events = [event for event in events if _is_subscribed(endpoint, event["type"])]
    replayed_deliveries = [
        _build_delivery(endpoint, event, UUID(event["data"]["job_id"]))
        for event in subscribed_events
    ]
    WebhookDelivery.objects.bulk_create(replayed_deliveries, ignore_conflicts=True)
    ids = [delivery.pk for delivery in replayed_deliveries]
    # Deliveries that wait or are being sent arrive anyway.
    ended_deliveries = WebhookDelivery.objects.filter(pk__in=ids).exclude(
        state=DeliveryState.WAITING
    )
    ended_deliveries.update(**RESET_COLUMNS, due_at=Now())
    return len(replayed_deliveries), events[-1]["seq"] if events else after


def _list_events_after(user_id: UUID, after: int) -> list[Wire]:
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
    """Return the deliveries whose retention period has ended."""
    return WebhookDelivery.objects.filter(created_at__lt=Now() - RETENTION)


def delete_old_deliveries() -> int:
    """Delete one batch of old deliveries, the oldest first, and return how many."""
    return len(sql.run("remove_old_deliveries", kept=RETENTION, limit=DELETE_BATCH_SIZE))
