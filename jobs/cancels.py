"""Cancels of jobs whose calls have begun: a few a day are refunded, further ones are not.

Else cancelling just before the end, again and again, were free GPU time without end.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from auteur.api.problems import Problem
from credits.models import Credits
from jobs.models import Attempt, Job, RunningCancel
from jobs.states import AttemptState

WINDOW = timedelta(hours=24)


class FreeCancelsUsedProblem(Problem):
    """It would not be refunded: ``next_free_at`` says when it would be (null: never)."""

    status_code = 409
    default_code = "free_cancels_used"
    default_detail = (
        "The job has begun, and your free cancels of the last 24 hours are used: it would not be "
        "refunded. Send without_refund to cancel it all the same."
    )


def is_refunded(*, job: Job, attempt: Attempt | None, without_refund: bool) -> bool:
    """Whether the user's cancel of this locked job is refunded, which is counted.

    Raises ``FreeCancelsUsedProblem`` where it does not, and that is not agreed to by
    ``without_refund``.
    """
    if job.credits_cost == 0 or not _has_begun(attempt):
        return True
    # One cancel of a user after the other; an account is locked after its jobs, as always.
    Credits.objects.select_for_update(no_key=True).get(user_id=job.user_id)
    limit = settings.MAX_FREE_CANCELS
    latest = RunningCancel.objects.filter(
        user_id=job.user_id, refunded=True, created_at__gt=Now() - WINDOW
    ).order_by("-created_at")[:limit]
    used = list(latest.values_list("created_at", flat=True))
    is_free = len(used) < limit
    if not is_free and not without_refund:
        raise FreeCancelsUsedProblem(next_free_at=(used[-1] + WINDOW).isoformat() if used else None)
    RunningCancel.objects.create(job=job, user_id=job.user_id, refunded=is_free)
    return is_free


def _has_begun(attempt: Attempt | None) -> bool:
    """Whether a call may have cost GPU time; that of an earlier attempt failed, and was ours."""
    if attempt is None:
        return False
    return attempt.dispatched_at is not None or attempt.state == AttemptState.DISPATCHING
