"""Change the state of jobs and attempts: the only package that writes it.

`Job.status` and `Attempt.state` change nowhere else. Each function locks the job's row first (so
the job is the lock of all its attempts, and credits come after it), checks that the attempt is
still the job's current one and in the expected state, and only then writes. A call that comes too
late changes nothing, and its return value says so. The transaction that ends the job settles the
money.
"""

from jobs.lifecycle.attempts import (
    begin_attempt,
    begin_first_attempts,
    count_attempts,
    requeue_job,
)
from jobs.lifecycle.calls import (
    PROGRESS_EVERY,
    SupersededProblem,
    call_lease,
    extend_calls,
    record_started_calls,
    report_outcome,
    report_progress,
    writing_attempt,
)
from jobs.lifecycle.ends import cancel, complete, expire, fail, fail_waiting
from jobs.lifecycle.locking import JobFinishedProblem, JobWaitsForMediaProblem
from jobs.lifecycle.steps import (
    claim,
    finish,
    hand_over,
    mark_errored,
    requeue,
    wake_jobs_of_dead_workers,
)

__all__ = [
    "PROGRESS_EVERY",
    "JobFinishedProblem",
    "JobWaitsForMediaProblem",
    "SupersededProblem",
    "begin_attempt",
    "begin_first_attempts",
    "call_lease",
    "cancel",
    "claim",
    "complete",
    "count_attempts",
    "expire",
    "extend_calls",
    "fail",
    "fail_waiting",
    "finish",
    "hand_over",
    "mark_errored",
    "record_started_calls",
    "report_outcome",
    "report_progress",
    "requeue",
    "requeue_job",
    "wake_jobs_of_dead_workers",
    "writing_attempt",
]
