"""Limit the refunds of started jobs that end without a result to a few a day.

A call that has started costs GPU time, whether its user cancels it, revokes the consent for its
input, deletes its project, or brought an input that breaks at the last frame. Without a limit, a
user could get GPU time for free by ending each job just before its result. Failures of our own
machines and stores are always refunded and never count (docs/decisions/0060).
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from auteur.core.api.problems import Problem
from credits.models import Credits
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs.models import Attempt, Job, RunningCancel
from jobs.states import AttemptState

logger = logging.getLogger(__name__)

WINDOW = timedelta(hours=24)
STAFF_ALERT = 100
"""Ends of a user's started jobs within `WINDOW`, refunded or not, at which staff are alerted."""
CAUSED_BY_US = frozenset(
    {
        ErrorCode.DEADLINE_EXCEEDED,
        *(code for code, policy in POLICIES.items() if policy.infrastructure),
    }
)
CAUSED_BY_USER = frozenset({ErrorCode.CANCELLED, ErrorCode.INPUT_INVALID})
"""Errors that are not refunded beyond the limit. Errors in neither set have an unknown cause, such
as ``MODEL_ERROR``: they count, and are refunded."""


class FreeCancelsUsedProblem(Problem):
    """Raised if a cancel would not be refunded before ``next_free_at`` (null: never)."""

    status_code = 409
    default_code = "free_cancels_used"
    default_detail = (
        "The job has begun, and you have used your refunded cancellations of the last 24 hours. "
        "Send without_refund to cancel it without a refund."
    )


def count_ended_job(
    *, job: Job, attempt: Attempt | None, code: ErrorCode, without_refund: bool = True
) -> bool:
    """Count the end of this locked job, if its work has started. Return True if it is refunded.

    Raises ``FreeCancelsUsedProblem`` if it is not refunded, unless ``without_refund`` is set.
    """
    if job.credits_cost == 0 or code in CAUSED_BY_US or not _has_started(attempt):
        return True
    # The lock serializes the ends of a user's jobs. Accounts are always locked after jobs.
    Credits.objects.select_for_update(no_key=True).get(user_id=job.user_id)
    limit = settings.MAX_FREE_CANCELS
    ends = RunningCancel.objects.filter(user_id=job.user_id, created_at__gt=Now() - WINDOW)
    refunded_at = list(
        ends.filter(refunded=True)
        .order_by("-created_at")
        .values_list("created_at", flat=True)[:limit]
    )
    is_refunded = len(refunded_at) < limit or code not in CAUSED_BY_USER
    if not is_refunded and not without_refund:
        next_free_at = (refunded_at[-1] + WINDOW).isoformat() if refunded_at else None
        raise FreeCancelsUsedProblem(next_free_at=next_free_at)
    RunningCancel.objects.create(job=job, user_id=job.user_id, refunded=is_refunded)
    if ends.count() == STAFF_ALERT:
        logger.warning(
            "user %s: %d begun jobs ended without a result within %s",
            job.user_id,
            STAFF_ALERT,
            WINDOW,
        )
    return is_refunded


def count_remaining_refunds(*, user_id: UUID) -> int:
    """Return how many started jobs of a user would still be refunded, if they ended now."""
    refunds = RunningCancel.objects.filter(
        user_id=user_id, refunded=True, created_at__gt=Now() - WINDOW
    )
    return max(0, settings.MAX_FREE_CANCELS - refunds.count())


def list_alerted_users() -> QuerySet[RunningCancel, UUID]:
    """Return the ids of the users about whom staff were alerted within `WINDOW`."""
    ends = RunningCancel.objects.filter(created_at__gt=Now() - WINDOW)
    users = ends.values("user_id").annotate(ends=Count("pk")).filter(ends__gte=STAFF_ALERT)
    return users.values_list("user_id", flat=True)


def _has_started(attempt: Attempt | None) -> bool:
    """Return True if the call may have cost GPU time.

    Calls of earlier attempts failed, at our cost.
    """
    if attempt is None:
        return False
    return attempt.dispatched_at is not None or attempt.state == AttemptState.DISPATCHING
