"""Ask after calls that have been silent, and stop those that nobody wants."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from auteur.api.problems import OUTAGES, NotFound
from gpu_tasks.backends.base import BackendUnavailable, CallState, CallStatus
from gpu_tasks.backends.registry import backend_of
from gpu_tasks.errors import ErrorCode
from jobs import lifecycle
from jobs.errors import JobError
from jobs.models import Attempt, AttemptState

logger = logging.getLogger(__name__)

UNREACHABLE: tuple[type[Exception], ...] = (BackendUnavailable, *OUTAGES)
STOPS_AT_ONCE = 100
STOP_AGAIN_AFTER = timedelta(seconds=15)
STOP_FORGOTTEN_AFTER = timedelta(hours=1)
"""A call whose id never became known by then was never started."""


def poll(attempts: Iterable[Attempt]) -> None:
    """Ask the backends how these running calls stand, and act on the answers."""
    by_backend: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_backend[attempt.backend].append(attempt)
    for name, group in by_backend.items():
        try:
            backend = backend_of(name)
            statuses = backend.poll([a.call_id for a in group if a.call_id])
        except BackendUnavailable:
            logger.warning("%d calls on %s not asked after", len(group), name)
            continue
        for attempt in group:
            _act_alone(attempt, statuses[attempt.call_id or ""], backend.poll_seconds)


def _act_alone(attempt: Attempt, status: CallStatus, poll_seconds: float) -> None:
    """One call that we cannot handle must not stop all others; its job's deadline ends it."""
    try:
        _act(attempt, status, poll_seconds)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("the call of %s cannot be acted upon", attempt.pk)


def _act(attempt: Attempt, status: CallStatus, poll_seconds: float) -> None:
    if status.outcome is not None:
        try:
            lifecycle.report_outcome(
                attempt_id=attempt.pk, call_id=attempt.call_id or "", outcome=status.outcome
            )
        except (NotFound, lifecycle.Superseded):
            logger.info("outcome of %s is no longer wanted", attempt.pk)
    elif status.state == CallState.LOST:
        _break_off(attempt, ErrorCode.GPU_UNAVAILABLE)
    elif status.state == CallState.RUNNING and _over(attempt):
        _break_off(attempt, ErrorCode.GPU_TIMEOUT)
    else:
        lifecycle.call_goes_on(
            attempt_id=attempt.pk,
            waits=status.state == CallState.QUEUED,
            look_again_after=timedelta(seconds=poll_seconds),
        )


def _over(attempt: Attempt) -> bool:
    return attempt.lease_expires_at is not None and attempt.lease_expires_at <= timezone.now()


def _break_off(attempt: Attempt, code: ErrorCode) -> None:
    lifecycle.break_off(
        attempt_id=attempt.pk, error=JobError.of(code), states=[AttemptState.RUNNING]
    )


def stop_unwanted() -> int:
    """Stop the calls of ended or superseded attempts whose ids are known; returns how many."""
    wanted = Attempt.objects.filter(stop_requested_at__isnull=False, stopped_at=None)
    wanted.filter(call_id=None, stop_requested_at__lt=Now() - STOP_FORGOTTEN_AFTER).update(
        stopped_at=Now()
    )
    known = wanted.filter(call_id__isnull=False, stop_requested_at__lte=Now())
    stopped = 0
    for attempt in known.order_by("stop_requested_at")[:STOPS_AT_ONCE]:
        try:
            backend_of(attempt.backend).stop([attempt.call_id or ""])
        except UNREACHABLE as exc:
            logger.warning("call of %s not stopped yet: %s", attempt.pk, type(exc).__name__)
            again = Now() + STOP_AGAIN_AFTER  # behind all others
            Attempt.objects.filter(pk=attempt.pk).update(stop_requested_at=again)
            continue
        Attempt.objects.filter(pk=attempt.pk).update(stopped_at=Now())
        stopped += 1
    return stopped
