"""Poll calls that have been silent, and stop those that nobody wants."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from auteur.api.problems import OUTAGES, NotFoundProblem
from gpu_tasks.runtime.backends.base import BackendUnavailableError, CallState, CallStatus
from gpu_tasks.runtime.backends.registry import backend_of
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle, sql
from jobs.errors import CALLS_AWAY, JobError
from jobs.models import Attempt
from jobs.orchestrator import due
from jobs.states import AttemptState

logger = logging.getLogger(__name__)

STOPS_AT_ONCE = 100
STOP_AGAIN_AFTER = timedelta(seconds=15)
MAX_STOP_AGAIN_AFTER = timedelta(minutes=5)
STOP_GIVEN_UP_AFTER = timedelta(days=2)
"""Since its attempt ended: no call runs for so long."""
STOP_FORGOTTEN_AFTER = timedelta(hours=1)
"""A call whose id never became known by then was never started."""


def follow() -> int:
    """Poll the calls that are due and stop those that nobody wants; returns how many."""
    if ids := due.claim_polls():
        attempts = Attempt.objects.select_related("job").filter(pk__in=ids)
        # By the database's clock: this machine's may be wrong.
        poll(attempts.annotate(is_lease_over=Q(lease_expires_at__lte=Now())))
    return len(ids) + stop_unwanted()


def poll(attempts: Iterable[Attempt]) -> None:
    """Ask the backends how these running calls stand, and act on what they say.

    Each attempt is annotated with ``is_lease_over``.
    """
    for name, group in _by_backend(attempts).items():
        try:
            backend = backend_of(name)
            statuses = backend.poll([a.call_id for a in group if a.call_id])
        except BackendUnavailableError:
            logger.warning("%d calls on %s not polled", len(group), name)
            continue
        running = [a for a in group if not _try_to_end(a, statuses[a.call_id or ""])]
        _extend(running, statuses, backend.poll_seconds)


def _extend(
    attempts: Sequence[Attempt], statuses: Mapping[str, CallStatus], seconds: float
) -> None:
    alike: dict[tuple[bool, CallState], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        status = statuses[attempt.call_id or ""]
        alike[_waits(attempt, status), _known(attempt, status)].append(attempt)
    for (waiting, now), group in alike.items():
        lifecycle.extend_calls(
            attempt_ids=[a.pk for a in group],
            seconds=seconds,
            waiting=waiting,
            now=now,
            sent_again=[a.pk for a in group if statuses[a.call_id or ""].sent_again],
            in_queue=[a.pk for a in group if statuses[a.call_id or ""].state == CallState.QUEUED],
        )


def _waits(attempt: Attempt, status: CallStatus) -> bool:
    """Whether a call waits for a machine; one that has not reported yet is taken to wait."""
    has_begun = attempt.started_at is not None
    return status.state == CallState.QUEUED or not (status.state == CallState.RUNNING or has_begun)


def _known(attempt: Attempt, status: CallStatus) -> CallState:
    """What is stored: that it waits only if it ran before, and was released by its worker."""
    if status.state == CallState.QUEUED and attempt.started_at is None:
        return CallState.UNDER_WAY  # it may have begun since
    return status.state


def _try_to_end(attempt: Attempt, status: CallStatus) -> bool:
    """As `_end_if_over`; but one call that cannot be handled must not stop all others. Its job ends
    by its deadline.
    """
    try:
        return _end_if_over(attempt, status)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("the call of %s cannot be acted upon", attempt.pk)
        return False


def _end_if_over(attempt: Attempt, status: CallStatus) -> bool:
    """Report the outcome of a call that has ended, was lost or took too long; whether it has."""
    if status.outcome is not None:
        try:
            lifecycle.report_outcome(
                attempt_id=attempt.pk, call_id=attempt.call_id or "", outcome=status.outcome
            )
        except (NotFoundProblem, lifecycle.SupersededProblem):
            logger.info("outcome of %s is no longer wanted", attempt.pk)
    elif status.state == CallState.LOST:
        _mark_errored(attempt, ErrorCode.GPU_UNAVAILABLE)
    elif not _waits(attempt, status) and attempt.is_lease_over:  # type: ignore[attr-defined]
        _mark_errored(attempt, ErrorCode.GPU_TIMEOUT)
    else:
        return False
    return True


def _mark_errored(attempt: Attempt, code: ErrorCode) -> None:
    lifecycle.mark_errored(
        attempt_id=attempt.pk, error=JobError.of(code), states=[AttemptState.RUNNING]
    )


def stop_unwanted() -> int:
    """Stop the calls of ended or superseded attempts whose ids are known; returns how many."""
    wanted = Attempt.objects.filter(stop_requested_at__isnull=False, stopped_at=None)
    wanted.filter(call_id=None, stop_requested_at__lt=Now() - STOP_FORGOTTEN_AFTER).update(
        stopped_at=Now()
    )
    known = wanted.filter(call_id__isnull=False, stop_requested_at__lte=Now())
    groups = _by_backend(known.order_by("stop_requested_at")[:STOPS_AT_ONCE])
    return sum(_stop(name, group) for name, group in groups.items())


def _stop(backend: str, attempts: Sequence[Attempt]) -> int:
    """Stop them in one request, for a backend may hang; returns how many it stopped.

    The others are tried again, later each time, and given up in the end.
    """
    stopped: set[str] = set()
    try:
        stopped = backend_of(backend).stop([attempt.call_id or "" for attempt in attempts])
    except CALLS_AWAY as exc:
        logger.warning("%d calls not stopped yet: %s", len(attempts), type(exc).__name__)
    done = [attempt.pk for attempt in attempts if attempt.call_id in stopped]
    rest = [attempt.pk for attempt in attempts if attempt.call_id not in stopped]
    postponed = sql.run(
        "postpone_stops",
        attempt_ids=rest,
        shortest=STOP_AGAIN_AFTER,
        longest=MAX_STOP_AGAIN_AFTER,
        given_up_after=STOP_GIVEN_UP_AFTER,
    )
    for attempt_id, is_given_up in postponed:
        if is_given_up:
            logger.error("the call of attempt %s on %s cannot be stopped", attempt_id, backend)
    return Attempt.objects.filter(pk__in=done).update(stopped_at=Now())


def _by_backend(attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    groups: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        groups[attempt.backend].append(attempt)
    return groups
