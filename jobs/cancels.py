"""Cancels of jobs whose calls have begun: a few a day are refunded, further ones are not.

Otherwise GPU time would be free for whoever cancels each job just before its end.
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
    """The cancel would not be refunded. ``next_free_at``: when it would be (null: never)."""

    status_code = 409
    default_code = "free_cancels_used"
    default_detail = (
        "The job has begun, and your free cancels of the last 24 hours are used: it would not be "
        "refunded. Send without_refund to cancel it all the same."
    )


def is_refunded(*, job: Job, attempt: Attempt | None, without_refund: bool) -> bool:
    """Whether the user's cancel of this locked job is refunded; counts it, if the job has begun.

    Raises ``FreeCancelsUsedProblem`` where it is not, unless ``without_refund`` agrees to that.
    """
    if job.credits_cost == 0 or not _has_begun(attempt):
        return True
    # So that a user's cancels come one after the other; accounts are locked after jobs, as always.
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
    """Whether the call may have cost GPU time. Those of earlier attempts failed, at our cost."""
    if attempt is None:
        return False
    return attempt.dispatched_at is not None or attempt.state == AttemptState.DISPATCHING
