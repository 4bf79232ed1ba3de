"""The work on a closed account: what is going on is ended, and in its time the person forgotten.

On one that was restored: what is charged for goes on.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import F, QuerySet, Subquery
from django.db.models.functions import Now

from accounts.billing.closing import resume_charging
from accounts.models import AccountClosing, ClosingStatus, User
from auteur import liveness
from auteur.api.problems import OUTAGES, Problem
from auteur.leases import Lease, LeaseLostError, Leases
from auteur.personal_data import NotYetError, Steps, list_sources
from media.limits import LEASE
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 6 * 3600
"""Whatever hangs longer is killed with its process."""
AWAY: tuple[type[Exception], ...] = (Problem, *OUTAGES, *STORAGE_ERRORS)
"""Another time it may be done."""
AGAIN_AFTER = timedelta(hours=1)
"""After as many tries as others have: nobody is forgotten in part."""


def _try_again(rows: QuerySet[AccountClosing]) -> int:
    for closing in rows:
        logger.error("the closing of account %s does not come to an end", closing.user_id)
    return rows.update(
        status=ClosingStatus.WAITING, holder=None, due_at=Now() + AGAIN_AFTER, tries=0
    )


CLOSINGS = Leases(
    AccountClosing,
    waiting={"status": ClosingStatus.WAITING, "holder": None},
    held={"status": ClosingStatus.WORKING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_try_again,
    duration=LEASE,
    new_holder=liveness.process_name,
)


def run_closing(closing_id: UUID) -> None:
    """Do what is due for a closed account; others are left alone."""
    lease = CLOSINGS.claim(closing_id)
    closing = lease.row.first() if lease else None
    if lease is None or closing is None:
        return
    try:
        _work(lease, closing.user_id)
    except LeaseLostError:
        logger.info("account %s was restored, or is another worker's", closing.user_id)
    except NotYetError:
        lease.release()
    except AWAY as exc:
        logger.warning("account %s waits to be closed: %s", closing.user_id, type(exc).__name__)
        lease.release()


def _work(lease: Lease[AccountClosing], user_id: UUID) -> None:
    if User.objects.filter(pk=user_id, closing_at=None).exists():
        _go_through(lease, resume_charging(user_id=user_id))
        lease.row.delete()
        return
    is_over = _take_leave(user_id)
    # The last room first: accounts ask Stripe, which may be away, and jobs do not wait for that.
    for holding in reversed(list_sources()):
        _go_through(lease, holding.close(user_id))
    if not is_over:
        lease.row.update(
            status=ClosingStatus.WAITING,
            holder=None,
            due_at=Subquery(User.objects.filter(pk=user_id).values("closing_at")),
            tries=F("tries") - 1,
        )
        return
    for holding in list_sources():
        _go_through(lease, holding.scrub(user_id))
    lease.finish(status=ClosingStatus.DONE, finished_at=Now())
    logger.info("account %s is forgotten", user_id)


def _take_leave(user_id: UUID) -> bool:
    """Let nobody in any more, if it is time; from here on there is no way back."""
    due = User.objects.filter(pk=user_id, closing_at__lte=Now())
    return bool(due.update(is_active=False))


def _go_through(lease: Lease[AccountClosing], steps: Steps) -> None:
    """Do it, holding the lease; all is done again where a worker was lost in between."""
    for step in steps:
        del step
        lease.renew()
