"""Poll calls that have been silent, and stop the calls of ended or superseded attempts."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from auteur.core.api.problems import OUTAGES, NotFoundProblem
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle, sql
from jobs.calls.backends.base import BackendUnavailableError, CallState, CallStatus
from jobs.calls.backends.registry import get_backend
from jobs.errors import CALLS_AWAY, JobError
from jobs.models import Attempt
from jobs.orchestrator import due
from jobs.states import AttemptState

logger = logging.getLogger(__name__)

STOPS_AT_ONCE = 100
STOP_AGAIN_AFTER = timedelta(seconds=15)
MAX_STOP_AGAIN_AFTER = timedelta(minutes=5)
STOP_GIVEN_UP_AFTER = timedelta(days=2)
"""Time since the end of the attempt. No call runs for so long."""
STOP_FORGOTTEN_AFTER = timedelta(hours=1)
"""A call whose id is still unknown by then was never started."""


def follow() -> int:
    """Poll the calls that are due and stop unneeded ones; return how many there were."""
    if ids := due.claim_polls():
        attempts = Attempt.objects.select_related("job").filter(pk__in=ids)
        # The database's clock decides, because this machine's clock may be wrong.
        poll(attempts.annotate(is_lease_over=Q(lease_expires_at__lte=Now())))
    return len(ids) + stop_unwanted()


def poll(attempts: Iterable[Attempt]) -> None:
    """Ask the backends for the states of these running calls, and act on the answers.

    Each attempt is annotated with ``is_lease_over``.
    """
    for name, group in _group_by_backend(attempts).items():
        try:
            backend = get_backend(name)
            statuses = backend.poll([a.call_id for a in group if a.call_id])
        except BackendUnavailableError:
            logger.warning("%d calls on %s not polled", len(group), name)
            continue
        running = [a for a in group if not _try_to_end_call(a, statuses[a.call_id or ""])]
        _extend_calls(running, statuses, backend.poll_seconds)


def _extend_calls(
    attempts: Sequence[Attempt], statuses: Mapping[str, CallStatus], seconds: float
) -> None:
    groups: dict[tuple[bool, CallState], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        status = statuses[attempt.call_id or ""]
        groups[_is_waiting(attempt, status), _get_state_to_store(attempt, status)].append(attempt)
    for (is_waiting, state), group in groups.items():
        lifecycle.extend_calls(
            attempt_ids=[a.pk for a in group],
            seconds=seconds,
            waiting=is_waiting,
            now=state,
            sent_again=[a.pk for a in group if statuses[a.call_id or ""].sent_again],
            in_queue=[a.pk for a in group if statuses[a.call_id or ""].state == CallState.QUEUED],
        )


def _is_waiting(attempt: Attempt, status: CallStatus) -> bool:
    """Return True if a call waits for a machine; a call that has not reported counts as waiting."""
    has_started = attempt.started_at is not None
    return status.state == CallState.QUEUED or not (
        status.state == CallState.RUNNING or has_started
    )


def _get_state_to_store(attempt: Attempt, status: CallStatus) -> CallState:
    """Return the state of a call to store.

    A call counts as queued only if it ran before and its worker released it.
    """
    if status.state == CallState.QUEUED and attempt.started_at is None:
        return CallState.UNDER_WAY  # It may have started since.
    return status.state


def _try_to_end_call(attempt: Attempt, status: CallStatus) -> bool:
    """End the call as `_end_call_if_over` does, but log an unexpected error and return False.

    A call that cannot be handled must not stop all others. Its job ends by its deadline.
    """
    try:
        return _end_call_if_over(attempt, status)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("the call of %s cannot be acted upon", attempt.pk)
        return False


def _end_call_if_over(attempt: Attempt, status: CallStatus) -> bool:
    """Report a call that has ended, was lost or ran too long; return True if it is over."""
    if status.outcome is not None:
        try:
            lifecycle.report_outcome(
                attempt_id=attempt.pk, call_id=attempt.call_id or "", outcome=status.outcome
            )
        except (NotFoundProblem, lifecycle.SupersededProblem):
            logger.info("outcome of %s is no longer wanted", attempt.pk)
    elif status.state == CallState.LOST:
        _mark_attempt_errored(attempt, ErrorCode.GPU_UNAVAILABLE)
    elif not _is_waiting(attempt, status) and attempt.is_lease_over:  # type: ignore[attr-defined]
        _mark_attempt_errored(attempt, ErrorCode.GPU_TIMEOUT)
    else:
        return False
    return True


def _mark_attempt_errored(attempt: Attempt, code: ErrorCode) -> None:
    lifecycle.mark_errored(
        attempt_id=attempt.pk, error=JobError.of(code), states=[AttemptState.RUNNING]
    )


def stop_unwanted() -> int:
    """Stop the calls of ended or superseded attempts whose ids are known; return how many."""
    pending = Attempt.objects.filter(stop_requested_at__isnull=False, stopped_at=None)
    pending.filter(call_id=None, stop_requested_at__lt=Now() - STOP_FORGOTTEN_AFTER).update(
        stopped_at=Now()
    )
    stoppable = pending.filter(call_id__isnull=False, stop_requested_at__lte=Now())
    groups = _group_by_backend(stoppable.order_by("stop_requested_at")[:STOPS_AT_ONCE])
    return sum(_stop_calls(name, group) for name, group in groups.items())


def _stop_calls(backend: str, attempts: Sequence[Attempt]) -> int:
    """Stop the calls in one request, because a backend may hang; return how many it stopped.

    The others are tried again, with a growing pause, and are given up in the end.
    """
    stopped_call_ids: set[str] = set()
    try:
        stopped_call_ids = get_backend(backend).stop(
            [attempt.call_id or "" for attempt in attempts]
        )
    except CALLS_AWAY as exc:
        logger.warning("%d calls not stopped yet: %s", len(attempts), type(exc).__name__)
    stopped_ids = [attempt.pk for attempt in attempts if attempt.call_id in stopped_call_ids]
    remaining_ids = [attempt.pk for attempt in attempts if attempt.call_id not in stopped_call_ids]
    rows = sql.run(
        "postpone_stops",
        attempt_ids=remaining_ids,
        shortest=STOP_AGAIN_AFTER,
        longest=MAX_STOP_AGAIN_AFTER,
        given_up_after=STOP_GIVEN_UP_AFTER,
    )
    for attempt_id, is_given_up in rows:
        if is_given_up:
            logger.error("the call of attempt %s on %s cannot be stopped", attempt_id, backend)
    return Attempt.objects.filter(pk__in=stopped_ids).update(stopped_at=Now())


def _group_by_backend(attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    groups: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        groups[attempt.backend].append(attempt)
    return groups
