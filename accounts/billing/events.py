"""Stripe's events: each is stored once, and then processed under a lease."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.billing import client, stripe_objects
from accounts.billing.client import StripeAwayError, StripeRefusedError
from accounts.billing.errors import SetAsideError
from accounts.billing.event_handlers import HANDLERS, handle_event
from accounts.billing.models import BillingEvent, EventState, SetAsideReason
from accounts.billing.stripe_objects import UnreadableError
from auteur.core.api.problems import OUTAGES
from auteur.core.work import liveness
from auteur.core.work.leases import Lease, LeaseLostError, Leases
from credits.ledger import TooManyGrantsProblem

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""The most events of one round."""
MAX_TRIES = 8
RETRY_PAUSE = timedelta(minutes=1)
"""The pause after an error of ours."""
AWAY_PAUSE = timedelta(seconds=30)
"""The pause after Stripe did not answer; this does not count as a try."""
LEASE = timedelta(minutes=3)
"""Longer than all requests for one event take."""
RETENTION = timedelta(days=90)
"""The retention of finished and ignored events. Stripe sends and lists events for 30 days."""
DELETED_AT_ONCE = 1000


def store_events(stripe_events: Iterable[stripe_objects.Event], *, is_found: bool = False) -> int:
    """Store the events that are new; return how many they are.

    Events without a handler are stored as ignored.
    """
    rows = [_build_row(event, is_found) for event in stripe_events]
    stripe_ids = {row.stripe_id for row in rows}
    stored_ids = set(
        BillingEvent.objects.filter(stripe_id__in=stripe_ids).values_list("stripe_id", flat=True)
    )
    new_rows = [row for row in rows if row.stripe_id not in stored_ids]
    BillingEvent.objects.bulk_create(new_rows, ignore_conflicts=True)
    return len(new_rows)


def _build_row(event: stripe_objects.Event, is_found: bool) -> BillingEvent:
    has_handler = event.type in HANDLERS and bool(event.object_id)
    return BillingEvent(
        stripe_id=event.id,
        type=event.type,
        object_id=event.object_id,
        customer_id=event.customer_id,
        is_live=event.livemode,
        is_found=is_found,
        happened_at=datetime.fromtimestamp(event.created, UTC),
        **(
            {"state": EventState.WAITING, "due_at": Now()}
            if has_handler
            else {"state": EventState.IGNORED, "due_at": None}
        ),
    )


def _set_aside(
    rows: QuerySet[BillingEvent],
    reason: SetAsideReason = SetAsideReason.FAILED,
    detail: str = "",
) -> int:
    return rows.update(
        state=EventState.SET_ASIDE, reason=reason, detail=detail[:500], due_at=None, holder=None
    )


LEASES = Leases(
    BillingEvent,
    waiting={"state": EventState.WAITING, "holder": None},
    claimed={"state": EventState.WAITING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_set_aside,
    max_tries=MAX_TRIES,
    duration=LEASE,
    create_holder=liveness.get_process_name,
)


def process_due_events() -> int:
    """Process due events, the oldest first; return how many, or 0 if Stripe does not answer."""
    LEASES.expire()
    delete_old_events()
    due_events = BillingEvent.objects.filter(
        state=EventState.WAITING, holder=None, due_at__lte=Now()
    )
    number = 0
    for event_id in due_events.order_by("happened_at").values_list("pk", flat=True)[:AT_ONCE]:
        lease = LEASES.claim(event_id)
        if lease is None:
            continue
        if not _process_event(lease):
            return 0  # Stripe would not answer the next request either.
        number += 1
    return number


def _process_event(lease: Lease[BillingEvent]) -> bool:
    """Handle the event of a lease; return False if Stripe did not answer."""
    event = lease.row.first()
    if event is None:
        return True
    try:
        _handle_or_set_aside(lease, event)
    except StripeAwayError:
        lease.release(AWAY_PAUSE)
        return False
    except LeaseLostError:
        logger.info("event %s is another worker's now", event.stripe_id)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("event %s cannot be processed", event.stripe_id)
        lease.requeue(RETRY_PAUSE)
    return True


def _handle_or_set_aside(lease: Lease[BillingEvent], event: BillingEvent) -> None:
    try:
        handle_event(event)
    except SetAsideError as exc:
        _set_aside(lease.row, exc.reason, exc.detail)
    except TooManyGrantsProblem:
        _set_aside(lease.row, SetAsideReason.TOO_MANY_GRANTS, event.object_id)
    except UnreadableError as exc:
        _set_aside(lease.row, SetAsideReason.UNREADABLE, str(exc))
    except StripeRefusedError as exc:
        if exc.code != client.MISSING:
            raise
        _set_aside(lease.row, SetAsideReason.GONE, exc.code)
    else:
        lease.finish(state=EventState.DONE)


def requeue_events(rows: QuerySet[BillingEvent]) -> int:
    """Queue events that were set aside again; return how many."""
    return rows.filter(state=EventState.SET_ASIDE).update(
        state=EventState.WAITING, reason=None, detail="", tries=0, due_at=Now()
    )


def delete_old_events() -> int:
    """Delete one batch of events past their retention; return how many. Set-aside ones stay."""
    old = BillingEvent.objects.filter(
        state__in=[EventState.DONE, EventState.IGNORED], happened_at__lt=Now() - RETENTION
    )
    ids = list(old.order_by("happened_at").values_list("pk", flat=True)[:DELETED_AT_ONCE])
    return BillingEvent.objects.filter(pk__in=ids).delete()[0] if ids else 0
