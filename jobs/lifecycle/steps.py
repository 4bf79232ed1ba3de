"""Steps: attempts are claimed, then finished or handed over, requeued or marked as errored."""

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
"""When the orchestrator checks what a worker has claimed (does the worker live?) or finished (was
the next step claimed?). A ``wake_at`` between the two stays: each change of it costs indexes."""


def claim(*, step: Step, attempt_ids: Iterable[UUID], worker: str) -> list[Attempt]:
    """Take those of the attempts that still wait for this step; with their jobs, as they are now.

    Of a step that may be done twice the commit is not waited for.
    """
    taken = sql.run(
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
    held = rows.attempts(row[:-1] for row in taken)
    for attempt, row in zip(held, taken, strict=True):
        attempt.waited = row[-1]
        attempt.state, attempt.worker, attempt.publish_count = step.holds, worker, 0
        attempt.job.status = JobStatus.PROCESSING
    return held


def finish(*, step: Step, worker: str, values: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Leave the step with each attempt's ``payload``, or ``result`` and ``used_credits``; returns
    those still held.
    """
    return _finish(step, worker, values, _text(values), step.leaves, goes_on=False)


def hand_over(
    *,
    step: Step,
    to: Step,
    worker: str,
    attempts: Iterable[Attempt],
    values: Mapping[UUID, Mapping[str, Any]],
) -> list[Attempt]:
    """As `finish`, but the worker goes on with those still held; they have what was stored."""
    text = _text(values)
    left = set(_finish(step, worker, values, text, to.holds, goes_on=True))
    stored = {UUID(one.pop("id")): one for one in json.loads(text)}
    held = [attempt for attempt in attempts if attempt.pk in left]
    for attempt in held:
        attempt.state = to.holds
        for name, value in stored[attempt.pk].items():
            setattr(attempt, name, value)
    return held


def _text(values: Mapping[UUID, Mapping[str, Any]]) -> str:
    return json.dumps([{"id": str(pk), **given} for pk, given in values.items()])


def _finish(
    step: Step, worker: str, ids: Iterable[UUID], values: str, leaves: str, *, goes_on: bool
) -> list[UUID]:
    left = sql.run(
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
    return [attempt_id for (attempt_id,) in left]


def requeue(
    *,
    step: Step,
    attempt_ids: Iterable[UUID],
    after: timedelta,
    crashed: bool,
    worker: str | None = None,
) -> None:
    """Undo a claim (of ``worker``, if named), so that another worker can take the attempts.

    A store was away, or the worker ``crashed``, which is counted.
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
    """Have it looked at now what these dead workers held, and what may have died with them in a
    message: what was published and nobody has claimed. Returns how many jobs that are.

    Whether a worker is lost, and what becomes of what it held, is decided by who looks.
    """
    woken = sql.run("wake_left", workers=list(workers), takes=list(TAKING))
    if woken:
        wake_on_commit()
    return len(woken)


def mark_errored(
    *, attempt_id: UUID, error: JobError, states: Collection[str], worker: str | None = None
) -> bool:
    """Store why an attempt (held by ``worker``, if named) cannot go on; the orchestrator decides
    whether there is another.
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
