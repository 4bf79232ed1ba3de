"""Store which calls have started, still run, and report."""

import json
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from gpu_tasks.runtime.contract import Outcome
from gpu_tasks.runtime.stages import Stage
from jobs import sql
from jobs.calls.backends.base import CallState
from jobs.calls.deadlines import OUTAGE_ALLOWANCE
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.models import Attempt
from jobs.progress import ProgressReport, push_on_commit
from jobs.states import MAY_RUN, NOT_STARTED, OPEN, AttemptState, JobStatus
from jobs.wake_signal import wake_on_commit

logger = logging.getLogger(__name__)

CALL_GRACE = timedelta(seconds=60)
"""Time that a call has beyond its time limit, to start and to report."""
PROGRESS_EVERY = timedelta(seconds=2)
"""Shortest time between two reports of a call's progress that are stored and pushed."""
MAX_DOUBLINGS = 4
"""How often the pause before the next poll doubles, if a call's messages keep getting lost."""


class SupersededProblem(Problem):
    """The attempt that reports is no longer the current one: its call should stop."""

    status_code = 409
    default_code = "attempt_superseded"
    default_detail = "This attempt is no longer wanted."


def record_started_calls(*, call_ids: Mapping[UUID, str]) -> list[UUID]:
    """Store the ids of the attempts' calls, and return the attempts that now run.

    The ids of attempts that have ended meanwhile are stored too, so that their calls can be
    stopped.
    """
    rows = sql.run(
        "record_started_calls",
        attempt_ids=list(call_ids),
        calls=json.dumps([{"id": str(pk), "call_id": call_id} for pk, call_id in call_ids.items()]),
        leases=_call_leases_json(),
        expected=json.dumps({item.name: item.expected_seconds for item in features().values()}),
        run_limits=_run_limits_json(),
    )
    for attempt_id, job_id, call_id, _ in rows:
        logger.info("job %s, attempt %s: started call %s", job_id, attempt_id, call_id)
    return [attempt_id for attempt_id, _, _, runs in rows if runs]


def extend_calls(
    *,
    attempt_ids: Collection[UUID],
    seconds: float,
    waiting: bool,
    now: CallState,
    sent_again: Collection[UUID] = (),
    in_queue: Collection[UUID] = (),
) -> None:
    """Poll the calls again in ``seconds``, or later if messages had to be ``sent_again``.

    If the calls are ``waiting`` for a machine, their lease starts anew. The run deadline of those
    that the backend knows to be ``in_queue`` starts anew too: an outage must not use it up. ``now``
    is the state of all the calls: running, queued, or, with `UNDER_WAY`, not known.
    """
    sql.run(
        "extend_calls",
        attempt_ids=list(attempt_ids),
        states=[AttemptState.RUNNING],
        holder=None,
        seconds=seconds,
        sent_again=list(sent_again),
        doublings=MAX_DOUBLINGS,
        is_queued=now == CallState.QUEUED,
        is_running=now == CallState.RUNNING,
        leases=_call_leases_json() if waiting else "{}",
        in_queue=list(in_queue),
        run_limits=_run_limits_json() if in_queue else "{}",
        outage_allowance=OUTAGE_ALLOWANCE,
    )


def call_lease(feature: Feature) -> timedelta:
    """Return how long a call may run at most."""
    return timedelta(seconds=feature.contract.time_limit_seconds) + CALL_GRACE


def _call_leases_json() -> str:
    leases = {item.name: call_lease(item).total_seconds() for item in features().values()}
    return json.dumps(leases)


def _run_limits_json() -> str:
    limits = {name: feature.run_limit.total_seconds() for name, feature in features().items()}
    return json.dumps(limits)


def writing_attempt(*, attempt_id: UUID, call_id: str) -> Attempt:
    """Return the attempt whose call may store its outputs now; raise as `report_progress`."""
    attempt = _get_reporting_attempt(attempt_id, call_id)
    if attempt.state not in MAY_RUN or attempt.job.status not in OPEN:
        raise SupersededProblem
    return attempt


def report_progress(
    *, attempt_id: UUID, call_id: str, progress: float, stage: Stage | None = None
) -> None:
    """Store and push the progress of a running call if it is new; it never decreases.

    A report that comes sooner than `PROGRESS_EVERY` after the last one is dropped; the next report
    replaces it. Raises ``NotFoundProblem``, ``SupersededProblem``.
    """
    rows = sql.run(
        "report_progress",
        attempt_id=attempt_id,
        call_id=call_id,
        progress=progress,
        stage=stage,
        every=PROGRESS_EVERY,
        leases=_call_leases_json(),
    )
    if rows:
        push_on_commit(ProgressReport(*rows[0]))
    else:
        _get_reporting_attempt(attempt_id, call_id)


def report_outcome(*, attempt_id: UUID, call_id: str, outcome: Outcome) -> bool:
    """Store how a call ended, and return True if this is the first report.

    Raises as `report_progress`.
    """
    error = outcome.error
    rows = sql.run(
        "report",
        attempt_id=attempt_id,
        call_id=call_id,
        outcome=outcome.model_dump_json(),
        error_code=error.code if error else None,
        error_message=error.message if error else None,
    )
    if rows:
        wake_on_commit()
    else:
        _get_reporting_attempt(attempt_id, call_id)
    return bool(rows)


def _get_reporting_attempt(attempt_id: UUID, call_id: str) -> Attempt:
    attempt = Attempt.objects.select_related("job").filter(pk=attempt_id).first()
    if attempt is None:
        raise NotFoundProblem(Resource.ATTEMPT)
    is_other_call = attempt.call_id is not None and attempt.call_id != call_id
    is_superseded = (
        attempt.job.attempt_id != attempt_id or attempt.job.status == JobStatus.CANCELLED
    )
    # The start of this attempt was given up, so the reporting call was started unknown to us.
    has_no_start = attempt.state in NOT_STARTED
    if is_other_call or is_superseded or has_no_start or attempt.stop_requested_at is not None:
        raise SupersededProblem
    return attempt
