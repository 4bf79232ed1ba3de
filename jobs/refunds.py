"""Refunds of jobs that were completed, but delivered less than was paid for."""

from collections.abc import Iterable

from credits import ledger
from jobs.models import Attempt, Job
from jobs.states import JobStatus
from jobs.wording import refunded, unused

LEAST_USED = 1
"""A job whose result is worth nothing is not completed: it fails, with a whole refund."""


def refund_unused(completed: Iterable[Attempt]) -> None:
    """Refund what the results are worth less than their jobs' prices.

    In the transaction that completes them, whose end comes once, and so does this.
    """
    partly = [attempt for attempt in completed if _unused(attempt) > 0]
    if not partly:
        return
    Job.objects.filter(pk__in=[attempt.job_id for attempt in partly]).update(credits_refunded=True)
    # Accounts in their order: another worker may be completing jobs of the same people.
    for attempt in sorted(partly, key=lambda each: each.job.user_id):
        job, amount = attempt.job, _unused(attempt)
        reason = unused(amount, cost=job.credits_cost)
        ledger.refund(
            user_id=job.user_id,
            amount=amount,
            job_id=job.pk,
            description=refunded(job, JobStatus.COMPLETED, reason),
        )


def _unused(attempt: Attempt) -> int:
    if attempt.used_credits is None:
        return 0
    return attempt.job.credits_cost - max(LEAST_USED, attempt.used_credits)
