"""Steps: attempts are claimed, then finished, requeued or marked as errored."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from jobs import sql
from jobs.errors import JobError
from jobs.models import Attempt
from jobs.states import Step
from jobs.step_leases import STEP_LEASE
from jobs.wake_signal import wake_on_commit

LOOK_AFTER = timedelta(seconds=5)
LOOK_BEFORE = timedelta(seconds=10)
"""When the orchestrator checks what a worker has claimed (does the worker live?) or finished (was
the next step claimed?). A ``wake_at`` between the two stays: each change of it costs indexes."""


def claim(*, step: Step, attempt_ids: Iterable[UUID], worker: str) -> list[Attempt]:
    """Take those of the attempts that still wait for this step."""
    taken = sql.run(
        "claim",
        attempt_ids=list(attempt_ids),
        states=[step.takes],
        holder=None,
        holds=step.holds,
        worker=worker,
        lease=STEP_LEASE,
        after=LOOK_AFTER,
        before=LOOK_BEFORE,
    )
    ids = [attempt_id for (attempt_id,) in taken]
    return list(Attempt.objects.select_related("job").filter(pk__in=ids)) if ids else []


def finish(*, step: Step, worker: str, values: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Leave the step with each attempt's ``payload``, or ``result`` and ``used_credits``; returns
    those still held.
    """
    left = sql.run(
        "finish",
        attempt_ids=list(values),
        states=[step.holds],
        holder=worker,
        leaves=step.leaves,
        values=json.dumps([{"id": str(pk), **given} for pk, given in values.items()]),
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
