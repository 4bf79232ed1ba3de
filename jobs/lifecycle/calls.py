"""Calls: those that were started, that go on, and that report."""

import json
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from auteur.api.problems import NotFoundProblem, Problem, Resource
from gpu_tasks.runtime.backends.base import CallState
from gpu_tasks.runtime.contract import Outcome
from gpu_tasks.runtime.stages import Stage
from jobs import sql
from jobs.deadlines import OUTAGE_ALLOWANCE
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.models import Attempt
from jobs.progress import ProgressReport, push_on_commit
from jobs.states import MAY_RUN, NOT_STARTED, OPEN, AttemptState, JobStatus
from jobs.wake_signal import wake_on_commit

logger = logging.getLogger(__name__)

CALL_GRACE = timedelta(seconds=60)
"""What a call gets beyond its time limit, to start and to report."""
PROGRESS_EVERY = timedelta(seconds=2)
"""Shortest time between two reports of a call's progress that are stored and pushed."""
MAX_DOUBLINGS = 4
"""How often the pause doubles before a call is polled again whose messages keep getting lost."""


class SupersededProblem(Problem):
    """The attempt that reports is no longer the current one: its call should stop."""

    status_code = 409
    default_code = "attempt_superseded"
    default_detail = "This attempt is no longer wanted."


def record_started_calls(*, call_ids: Mapping[UUID, str]) -> list[UUID]:
    """Store the ids of the attempts' calls; returns the attempts that now run.

    Also those of attempts that have ended meanwhile, so that their calls can be stopped.
    """
    started = sql.run(
        "record_started_calls",
        attempt_ids=list(call_ids),
        calls=json.dumps([{"id": str(pk), "call_id": one} for pk, one in call_ids.items()]),
        leases=_leases(),
        expected=json.dumps({one.name: one.expected_seconds for one in features().values()}),
        run_limits=_run_limits(),
    )
    for attempt_id, job_id, call_id, _ in started:
        logger.info("job %s, attempt %s: started call %s", job_id, attempt_id, call_id)
    return [attempt_id for attempt_id, _, _, runs in started if runs]


def extend_calls(
    *,
    attempt_ids: Collection[UUID],
    seconds: float,
    waiting: bool,
    now: CallState,
    sent_again: Collection[UUID] = (),
    in_queue: Collection[UUID] = (),
) -> None:
    """Poll the calls again in so many seconds, or later where messages had to be ``sent_again``.

    The lease of those that are ``waiting`` for a machine starts anew, and so does the run deadline
    of those that the backend knows to be ``in_queue``: an outage must not use it up. ``now`` is
    what is known of all of them: they run, they do not (not yet, or no longer), or, with
    `UNDER_WAY`, neither.
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
        leases=_leases() if waiting else "{}",
        in_queue=list(in_queue),
        run_limits=_run_limits() if in_queue else "{}",
        outage_allowance=OUTAGE_ALLOWANCE,
    )


def call_lease(feature: Feature) -> timedelta:
    """How long a call may run at most."""
    return timedelta(seconds=feature.contract.time_limit_seconds) + CALL_GRACE


def _leases() -> str:
    return json.dumps({one.name: call_lease(one).total_seconds() for one in features().values()})


def _run_limits() -> str:
    limits = {name: feature.run_limit.total_seconds() for name, feature in features().items()}
    return json.dumps(limits)


def writing_attempt(*, attempt_id: UUID, call_id: str) -> Attempt:
    """The attempt whose call may store its outputs now; raises as `report_progress`."""
    attempt = _reporting_attempt(attempt_id, call_id)
    if attempt.state not in MAY_RUN or attempt.job.status not in OPEN:
        raise SupersededProblem
    return attempt


def report_progress(
    *, attempt_id: UUID, call_id: str, progress: float, stage: Stage | None = None
) -> None:
    """Store what a running call tells and push it, if it is new; progress never goes back.

    What comes sooner than `PROGRESS_EVERY` after the last is left to the next report.
    Raises ``NotFoundProblem``, ``SupersededProblem``.
    """
    told = sql.run(
        "report_progress",
        attempt_id=attempt_id,
        call_id=call_id,
        progress=progress,
        stage=stage,
        every=PROGRESS_EVERY,
        leases=_leases(),
    )
    if told:
        push_on_commit(ProgressReport(*told[0]))
    else:
        _reporting_attempt(attempt_id, call_id)


def report_outcome(*, attempt_id: UUID, call_id: str, outcome: Outcome) -> bool:
    """Store how a call ended; whether it was the first to say so. Raises as `report_progress`."""
    error = outcome.error
    stored = sql.run(
        "report",
        attempt_id=attempt_id,
        call_id=call_id,
        outcome=outcome.model_dump_json(),
        error_code=error.code if error else None,
        error_message=error.message if error else None,
    )
    if stored:
        wake_on_commit()
    else:
        _reporting_attempt(attempt_id, call_id)
    return bool(stored)


def _reporting_attempt(attempt_id: UUID, call_id: str) -> Attempt:
    attempt = Attempt.objects.select_related("job").filter(pk=attempt_id).first()
    if attempt is None:
        raise NotFoundProblem(Resource.ATTEMPT)
    other_call = attempt.call_id is not None and attempt.call_id != call_id
    unwanted = attempt.job.attempt_id != attempt_id or attempt.job.status == JobStatus.CANCELLED
    # Its start was given up: whatever reports for it was started without our knowing.
    unstarted = attempt.state in NOT_STARTED
    if other_call or unwanted or unstarted or attempt.stop_requested_at is not None:
        raise SupersededProblem
    return attempt
