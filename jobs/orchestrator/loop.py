"""The orchestrator's loop."""

import logging
import threading
import time

import redis.exceptions
from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now

from auteur.api import idempotency
from auteur.api.problems import OUTAGES
from jobs import heartbeat, lifecycle
from jobs.failpoints import failpoint
from jobs.models import Job, JobStatus
from jobs.orchestrator import admission, calls, due
from jobs.publishing import publish
from jobs.wakeup import Bell

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
"""Longest wait between rounds; a nudge shortens it."""
POLL_WITHOUT_BELL_SECONDS = 0.05
OUTAGE_PAUSE_SECONDS = 1.0
SWEEP_SECONDS = 5.0
"""Between looks at what is rare: start deadlines, old heartbeats."""


def run_round() -> int:
    """Admit, publish and repair once; returns how many jobs were touched."""
    admitted = admission.admit_all()
    found = due.look()
    if found.wake_ups:
        failpoint("before_publish")
    publish(found.wake_ups)
    calls.poll(found.polls)
    stopped = calls.stop_unwanted()
    return admitted + found.seen + stopped


def sweep() -> None:
    """Fail what was never started in time, forget workers and keys long gone."""
    late = Job.objects.filter(
        status=JobStatus.PENDING, attempt=None, start_deadline_at__lte=Now()
    ).values_list("pk", flat=True)
    for job_id in late.order_by("start_deadline_at")[: due.DUE_AT_ONCE]:
        try:
            lifecycle.give_up(job_id=job_id)
        except OUTAGES:
            raise
        except Exception:
            logger.exception("job %s cannot be given up", job_id)
    heartbeat.forget_old()
    idempotency.forget_old()


def run(stop: threading.Event) -> None:
    """Work until told to stop; a store that is away is waited for."""
    bell = Bell()
    next_sweep = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + SWEEP_SECONDS
                sweep()
            if run_round() == 0:
                _wait(bell, stop)
        except (OperationalError, InterfaceError) as exc:
            logger.warning("database away: %s", type(exc).__name__)
            connection.close()
            stop.wait(OUTAGE_PAUSE_SECONDS)
        except Exception:
            # Whatever one row brings up, all others still need us.
            logger.exception("a round was broken off")
            stop.wait(OUTAGE_PAUSE_SECONDS)


def _wait(bell: Bell, stop: threading.Event) -> None:
    try:
        bell.wait(POLL_SECONDS)
    except redis.exceptions.RedisError:
        stop.wait(POLL_WITHOUT_BELL_SECONDS)
