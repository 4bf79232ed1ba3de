"""Calls: those that were started, that go on, and that report."""

import json
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from auteur.api.problems import NotFoundProblem, Problem
from gpu_tasks.runtime.backends.base import CallState
from gpu_tasks.runtime.contract import Outcome
from jobs import sql
from jobs.features.base import Feature
from jobs.features.registry import feature_of, features
from jobs.models import Attempt, Job
from jobs.states import MAY_RUN, OPEN, AttemptState, JobStatus
from jobs.wake_signal import wake_on_commit

logger = logging.getLogger(__name__)

CALL_GRACE = timedelta(seconds=60)
"""What a call gets beyond its time limit, to start and to report."""
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
    types = Attempt.objects.filter(pk__in=call_ids).values_list("pk", "job__type")
    rows = [_started_call(pk, call_ids[pk], feature_of(name)) for pk, name in types]
    started = sql.run("record_started_calls", calls=json.dumps(rows))
    for attempt_id, job_id, call_id, _ in started:
        logger.info("job %s, attempt %s: started call %s", job_id, attempt_id, call_id)
    return [attempt_id for attempt_id, _, _, runs in started if runs]


def _started_call(attempt_id: UUID, call_id: str, feature: Feature) -> dict[str, Any]:
    return {
        "id": str(attempt_id),
        "call_id": call_id,
        "lease_seconds": call_lease(feature).total_seconds(),
        "expected_seconds": feature.expected_seconds,
    }


def extend_calls(
    *,
    attempt_ids: Collection[UUID],
    seconds: float,
    waiting: bool,
    now: CallState,
    sent_again: Collection[UUID] = (),
) -> None:
    """Poll the calls again in so many seconds, or later where messages had to be ``sent_again``.

    The lease of those that are ``waiting`` for a machine begins anew. ``now`` is what is known of
    all of them: they run, they do not (not yet, or no longer), or, with `UNDER_WAY`, neither.
    """
    leases = {f.name: call_lease(f).total_seconds() for f in features().values()}
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
        leases=json.dumps(leases if waiting else {}),
    )


def call_lease(feature: Feature) -> timedelta:
    """How long a call may run at most."""
    return timedelta(seconds=feature.contract.time_limit_seconds) + CALL_GRACE


def writing_attempt(*, attempt_id: UUID, call_id: str) -> Attempt:
    """The attempt whose call may store its outputs now; raises as `report_progress`."""
    attempt = _reporting_attempt(attempt_id, call_id)
    if attempt.state not in MAY_RUN or attempt.job.status not in OPEN:
        raise SupersededProblem
    return attempt


def report_progress(*, attempt_id: UUID, call_id: str, progress: float) -> None:
    """Store a running call's progress, unless it is lower than before.

    Raises ``NotFoundProblem``, ``SupersededProblem``.
    """
    attempt = _reporting_attempt(attempt_id, call_id)
    if attempt.started_at is None:
        _record_start(attempt)
    Attempt.objects.filter(pk=attempt_id, progress__lt=progress).update(progress=progress)
    Job.objects.filter(
        attempt_id=attempt_id, status=JobStatus.PROCESSING, progress__lt=progress
    ).update(progress=progress)


def _record_start(attempt: Attempt) -> None:
    """The call has come to a machine: its lease begins now, however long it has waited."""
    lease = Now() + call_lease(feature_of(attempt.job.type))
    running = Q(state=AttemptState.RUNNING)
    Attempt.objects.filter(pk=attempt.pk, state__in=MAY_RUN, started_at=None).update(
        started_at=Now(),
        lease_expires_at=Case(When(running, then=lease), default=F("lease_expires_at")),
    )


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
        raise NotFoundProblem
    other_call = attempt.call_id is not None and attempt.call_id != call_id
    unwanted = attempt.job.attempt_id != attempt_id or attempt.job.status == JobStatus.CANCELLED
    if other_call or unwanted or attempt.stop_requested_at is not None:
        raise SupersededProblem
    return attempt
