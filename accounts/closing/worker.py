"""The worker's part of closings: it stops an account's activity, and erases it when it ends.

For a restored account it resumes the charges.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import F, QuerySet, Subquery
from django.db.models.functions import Now

from accounts.billing.closing import resume_charging
from accounts.models import AccountClosing, ClosingStatus, User
from auteur.core.api.problems import OUTAGES, Problem
from auteur.core.personal_data import NotYetError, Steps, list_sources
from auteur.core.work import liveness
from auteur.core.work.leases import Lease, LeaseLostError, Leases
from media.limits import LEASE
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 6 * 3600
"""A closing that runs longer is killed with its process."""
AWAY: tuple[type[Exception], ...] = (Problem, *OUTAGES, *STORAGE_ERRORS)
"""Errors after which the closing is released, because a later try may succeed."""
AGAIN_AFTER = timedelta(hours=1)
"""The pause after the last try. The tries then start again, so that no account is half erased."""


def _retry_later(rows: QuerySet[AccountClosing]) -> int:
    for closing in rows:
        logger.error("the closing of account %s failed all its tries", closing.user_id)
    return rows.update(
        status=ClosingStatus.WAITING, holder=None, due_at=Now() + AGAIN_AFTER, tries=0
    )


CLOSINGS = Leases(
    AccountClosing,
    waiting={"status": ClosingStatus.WAITING, "holder": None},
    claimed={"status": ClosingStatus.WORKING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_retry_later,
    duration=LEASE,
    create_holder=liveness.get_process_name,
)


def run_closing(closing_id: UUID) -> None:
    """Claim a due closing and process it; do nothing if it is not due or another worker has it."""
    lease = CLOSINGS.claim(closing_id)
    closing = lease.row.first() if lease else None
    if lease is None or closing is None:
        return
    try:
        _process_closing(lease, closing.user_id)
    except LeaseLostError:
        logger.info("account %s was restored, or is another worker's", closing.user_id)
    except NotYetError:
        lease.release()
    except AWAY as exc:
        logger.warning("account %s waits to be closed: %s", closing.user_id, type(exc).__name__)
        lease.release()


def _process_closing(lease: Lease[AccountClosing], user_id: UUID) -> None:
    if User.objects.filter(pk=user_id, closing_at=None).exists():
        _run_steps(lease, resume_charging(user_id=user_id))
        lease.row.delete()
        return
    # From here on, an account whose time has come cannot be restored.
    due_users = User.objects.filter(pk=user_id, closing_at__lte=Now())
    has_ended = bool(due_users.update(is_active=False))
    # Reversed, so that an outage of Stripe, which the first source needs, does not delay the jobs.
    for source in reversed(list_sources()):
        _run_steps(lease, source.close(user_id))
    if not has_ended:
        lease.row.update(
            status=ClosingStatus.WAITING,
            holder=None,
            due_at=Subquery(User.objects.filter(pk=user_id).values("closing_at")),
            tries=F("tries") - 1,
        )
        return
    for source in list_sources():
        _run_steps(lease, source.erase(user_id))
    lease.finish(status=ClosingStatus.DONE, finished_at=Now())
    logger.info("account %s is erased", user_id)


def _run_steps(lease: Lease[AccountClosing], steps: Steps) -> None:
    """Run steps, and renew the lease after each. If a worker dies, all steps are repeated."""
    for step in steps:
        del step
        lease.renew()
