"""Claim attempts for a step, and finish, hand over, requeue or mark them as errored."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from jobs import rows, sql
from jobs.errors import JobError
from jobs.models import Attempt
from jobs.states import TAKING, JobStatus, Step
from jobs.step_leases import STEP_LEASE
from jobs.wake_signal import wake_on_commit

LOOK_AFTER = timedelta(seconds=2)
LOOK_BEFORE = timedelta(seconds=5)
"""When the orchestrator checks an attempt that a worker has claimed (does the worker live?) or
finished (was the next step claimed?). A ``wake_at`` between the two is not changed, because each
change updates indexes."""


def claim(*, step: Step, attempt_ids: Iterable[UUID], worker: str) -> list[Attempt]:
    """Claim the attempts that still wait for this step, and return them with their current jobs.

    If the step is repeatable, the commit is asynchronous.
    """
    claimed_rows = sql.run(
        "claim",
        attempt_ids=list(attempt_ids),
        takes=step.takes,
        holds=step.holds,
        is_repeatable=step.repeatable,
        worker=worker,
        lease=STEP_LEASE,
        after=LOOK_AFTER,
        before=LOOK_BEFORE,
    )
    attempts = rows.attempts(row[:-1] for row in claimed_rows)
    for attempt, row in zip(attempts, claimed_rows, strict=True):
        attempt.waited = row[-1]
        attempt.state, attempt.worker, attempt.publish_count = step.holds, worker, 0
        attempt.job.status = JobStatus.PROCESSING
    return attempts


def finish(*, step: Step, worker: str, values: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Store each attempt's values and leave the step; return the ids that were still claimed.

    The values are ``payload``, or ``result`` and ``used_credits``.
    """
    return _finish_step(step, worker, values, _dump_values(values), step.leaves, goes_on=False)


def hand_over(
    *,
    step: Step,
    to: Step,
    worker: str,
    attempts: Iterable[Attempt],
    values: Mapping[UUID, Mapping[str, Any]],
) -> list[Attempt]:
    """Finish the step as `finish` does, and claim the next one for the same worker.

    Return the attempts that were still claimed, with the values that were stored.
    """
    text = _dump_values(values)
    finished_ids = set(_finish_step(step, worker, values, text, to.holds, goes_on=True))
    values_by_id = {UUID(entry.pop("id")): entry for entry in json.loads(text)}
    remaining = [attempt for attempt in attempts if attempt.pk in finished_ids]
    for attempt in remaining:
        attempt.state = to.holds
        for name, value in values_by_id[attempt.pk].items():
            setattr(attempt, name, value)
    return remaining


def _dump_values(values: Mapping[UUID, Mapping[str, Any]]) -> str:
    return json.dumps([{"id": str(pk), **fields} for pk, fields in values.items()])


def _finish_step(
    step: Step, worker: str, ids: Iterable[UUID], values: str, leaves: str, *, goes_on: bool
) -> list[UUID]:
    finished_rows = sql.run(
        "finish",
        attempt_ids=list(ids),
        states=[step.holds],
        holder=worker,
        leaves=leaves,
        goes_on=goes_on,
        lease=STEP_LEASE,
        values=values,
        after=LOOK_AFTER,
        before=LOOK_BEFORE,
    )
    return [attempt_id for (attempt_id,) in finished_rows]


def requeue(
    *,
    step: Step,
    attempt_ids: Iterable[UUID],
    after: timedelta,
    crashed: bool,
    worker: str | None = None,
) -> None:
    """Undo a claim (of ``worker``, if named), so that another worker can claim the attempts.

    Either a store did not answer, or the worker ``crashed``; crashes are counted.
    """
    sql.run(
        "requeue",
        attempt_ids=list(attempt_ids),
        states=[step.holds],
        holder=worker,
        takes=step.takes,
        pause=after,
        crash_count=int(crashed),
    )


def wake_jobs_of_dead_workers(workers: Collection[str]) -> int:
    """Wake the jobs that these dead workers had claimed, and jobs published but never claimed.

    Return how many jobs were woken. The orchestrator decides later whether a worker is lost, and
    what happens to its jobs.
    """
    job_rows = sql.run("wake_left", workers=list(workers), takes=list(TAKING))
    if job_rows:
        wake_on_commit()
    return len(job_rows)


def mark_errored(
    *, attempt_id: UUID, error: JobError, states: Collection[str], worker: str | None = None
) -> bool:
    """Store why an attempt (claimed by ``worker``, if named) cannot continue.

    The orchestrator decides whether the job gets another attempt.
    """
    is_marked = sql.run(
        "mark_errored",
        attempt_ids=[attempt_id],
        states=list(states),
        holder=worker,
        error_code=error.code,
        error_message=error.message,
    )
    if is_marked:
        wake_on_commit()
    return bool(is_marked)
