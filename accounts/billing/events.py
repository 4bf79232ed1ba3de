"""Events of Stripe's: stored before anything is done, each once, and then worked on."""

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
from auteur import liveness
from auteur.api.problems import OUTAGES
from auteur.leases import Lease, LeaseLostError, Leases
from credits.ledger import TooManyGrantsProblem

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Events of one round."""
MAX_TRIES = 8
RETRY_PAUSE = timedelta(minutes=1)
"""After an error of ours."""
AWAY_PAUSE = timedelta(seconds=30)
"""After Stripe gave no answer; that is no try."""
LEASE = timedelta(minutes=3)
"""Longer than all that is asked about one event takes."""
KEPT = timedelta(days=90)
"""Events of which nothing is left to do; Stripe itself sends and lists them for 30 days."""
FORGOTTEN_AT_ONCE = 1000


def store_events(found: Iterable[stripe_objects.Event], *, is_found: bool = False) -> int:
    """Store events that are new, to be worked on if they matter to us; returns how many were."""
    rows = [_row(event, is_found) for event in found]
    known = {row.stripe_id for row in rows}
    earlier = set(
        BillingEvent.objects.filter(stripe_id__in=known).values_list("stripe_id", flat=True)
    )
    new = [row for row in rows if row.stripe_id not in earlier]
    BillingEvent.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _row(event: stripe_objects.Event, is_found: bool) -> BillingEvent:
    matters = event.type in HANDLERS and bool(event.object_id)
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
            if matters
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
    held={"state": EventState.WAITING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_set_aside,
    max_tries=MAX_TRIES,
    duration=LEASE,
    new_holder=liveness.process_name,
)


def process_due_events() -> int:
    """Work on what is due, the oldest first; returns how many events were."""
    LEASES.expire()
    delete_old_events()
    due = BillingEvent.objects.filter(state=EventState.WAITING, holder=None, due_at__lte=Now())
    done = 0
    for event_id in due.order_by("happened_at").values_list("pk", flat=True)[:AT_ONCE]:
        lease = LEASES.claim(event_id)
        if lease is None:
            continue
        if not _work_on(lease):
            return 0  # none of the others would be answered either
        done += 1
    return done


def _work_on(lease: Lease[BillingEvent]) -> bool:
    """Do what there is to do; whether Stripe answered."""
    event = lease.row.first()
    if event is None:
        return True
    try:
        _handle(lease, event)
    except StripeAwayError:
        lease.release(AWAY_PAUSE)
        return False
    except LeaseLostError:
        logger.info("event %s was taken away meanwhile", event.stripe_id)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("event %s cannot be worked on", event.stripe_id)
        lease.requeue(RETRY_PAUSE)
    return True


def _handle(lease: Lease[BillingEvent], event: BillingEvent) -> None:
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
    """Let events that were set aside be worked on again; returns how many were."""
    return rows.filter(state=EventState.SET_ASIDE).update(
        state=EventState.WAITING, reason=None, detail="", tries=0, due_at=Now()
    )


def delete_old_events() -> int:
    """Delete events past their time, some at once; returns how many. What was set aside stays."""
    old = BillingEvent.objects.filter(
        state__in=[EventState.DONE, EventState.IGNORED], happened_at__lt=Now() - KEPT
    )
    ids = list(old.order_by("happened_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    return BillingEvent.objects.filter(pk__in=ids).delete()[0] if ids else 0
