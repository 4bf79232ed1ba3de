"""Run the orchestrator's loops, each in a thread of its own.

A broker that hangs must not stop the repair, and a slow backend must not stop the wake-ups.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.core.api import idempotency
from auteur.core.api.problems import DATABASE_OUTAGES, OUTAGES
from auteur.core.work import liveness
from auteur.core.work.broker import BROKER_OUTAGES
from jobs import heartbeat, lifecycle, publishing, watermarks
from jobs.calls import circuits
from jobs.events.numbering import number_events
from jobs.failpoints import failpoint
from jobs.models import Job
from jobs.orchestrator import (
    admission,
    calls,
    certificate,
    clock_skew,
    due,
    media_waits,
    media_work,
    periodic,
    repair,
)
from jobs.retention import sweeping
from jobs.states import JobStatus
from jobs.wake_signal import WakeSignal

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.08
"""From one round to the next if many follow each other. Attempts that become due meanwhile share
messages."""
ROUNDS_AT_ONCE = 3
"""Rounds that need not keep this distance after a pause, so that a job on a quiet system does not
wait."""
POLL_SECONDS = 0.25
"""Longest wait between rounds. The wake signal shortens the wait of `wake`."""
MANY = 100
"""A round that handles so many rows may have left more."""
DEATHS_SECONDS = 1.0
"""Between checks for workers that have died on this machine."""
NUMBER_SECONDS = 0.05
"""Between rounds of numbering events: clients wait for it."""
CIRCUIT_SECONDS = 2.0
"""Between checks for features and backends that lose most of their work."""
FLOOR_SECONDS = 1.0
"""Between updates of the watermarks."""
MEDIA_SECONDS = 0.5
"""Between rounds of media that wait for a check, a thumbnail or a waveform."""
SWEEP_SECONDS = 5.0
"""Between rounds of rare work: start deadlines, old heartbeats."""
TIDY_SECONDS = 60.0
"""Between rounds of deleting unused rows and objects."""
OUTAGE_PAUSE_SECONDS = 1.0
STORES_AWAY: tuple[type[Exception], ...] = (*DATABASE_OUTAGES, *BROKER_OUTAGES)


def wake() -> int:
    """Admit jobs and publish due attempts whose queues have capacity; return how many there were.

    Raises one of ``BROKER_OUTAGES`` if the broker does not answer. Nothing is admitted then,
    because no worker could get the work.
    """
    queues = publishing.queues_with_capacity()
    admissions = admission.admit(with_room=due.types_with_capacity(queues))
    wake_ups = [wake_up for wake_up, is_claimed in admissions if is_claimed] + due.claim_wake_ups(
        queues
    )
    if wake_ups:
        failpoint("before_publish")
        publishing.publish(wake_ups)
    return len(admissions) + len(wake_ups)


def decide() -> int:
    """Decide about due jobs: repair, retry or fail. Return how many jobs there were."""
    return repair.reconcile().seen


def reap_dead_workers() -> int:
    """Wake the jobs of workers that have died on this machine; return 0, always."""
    if dead_workers := heartbeat.delete_dead_workers():
        job_count = lifecycle.wake_jobs_of_dead_workers(dead_workers)
        logger.warning("%d workers have died, %d jobs are looked at", len(dead_workers), job_count)
    return 0


def late_jobs() -> QuerySet[Job, UUID]:
    """Return pending jobs that were not started in time, by the index `jobs_pending_deadlines`."""
    jobs = Job.objects.filter(status=JobStatus.PENDING, attempt=None, start_deadline_at__lte=Now())
    return jobs.order_by("start_deadline_at").values_list("pk", flat=True)[: due.TAKEN_AT_ONCE]


def sweep() -> int:
    """Fail jobs that were not started in time; delete old heartbeats and idempotency keys."""
    for job_id in late_jobs():
        try:
            lifecycle.expire(job_id=job_id)
        except OUTAGES:
            raise
        except Exception:
            logger.exception("job %s cannot be given up", job_id)
    heartbeat.delete_stale_workers()
    idempotency.delete_expired_keys()
    return 0


def delete_unused() -> int:
    """Delete unused rows and objects.

    This is not part of `sweep`, because a storage that hangs must delay no job.
    """
    return sweeping.sweep_all()


def run(stop: threading.Event) -> None:
    """Work until ``stop`` is set; if a store does not answer, wait for it."""
    with liveness.watch_database() as watch:
        _run_loops(stop, watch)


def _run_loops(stop: threading.Event, watch: liveness.DatabaseWatch) -> None:
    wake_signal = WakeSignal()

    def rest(seconds: float) -> Callable[[], object]:
        return lambda: stop.wait(seconds)

    def store_clock_skew() -> int:
        return clock_skew.store(watch.skew_seconds)

    loops = (
        (_rest_unless_many(wake), _build_signal_wait(wake_signal)),
        (decide, rest(POLL_SECONDS)),
        (reap_dead_workers, rest(DEATHS_SECONDS)),
        (_rest_unless_many(number_events), rest(NUMBER_SECONDS)),
        (watermarks.raise_watermarks, rest(FLOOR_SECONDS)),
        (circuits.update_circuits, rest(CIRCUIT_SECONDS)),
        (calls.follow, rest(POLL_SECONDS)),
        (media_work.wake_media, rest(MEDIA_SECONDS)),
        (media_waits.queue_checked_jobs, rest(POLL_SECONDS)),
        (sweep, rest(SWEEP_SECONDS)),
        (delete_unused, rest(TIDY_SECONDS)),
        (watch.check, rest(settings.HEARTBEAT_SECONDS)),
        (store_clock_skew, rest(clock_skew.STORE_SECONDS)),
        (certificate.warn_about_certificate, rest(certificate.LOOK_SECONDS)),
        *((work, rest(seconds)) for work, seconds in periodic.WORK),
    )
    threads = [
        threading.Thread(target=_repeat_work, args=(work, idle, stop), name=work.__name__)
        for work, idle in loops
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _rest_unless_many(work: Callable[[], int]) -> Callable[[], int]:
    """Wrap the work so that it rests after a round that handled few rows, because none are left."""

    @wraps(work)
    def work_until_few() -> int:
        count = work()
        return count if count >= MANY else 0

    return work_until_few


def _build_signal_wait(signal: WakeSignal) -> Callable[[], object]:
    """Return a function that waits for the signal.

    After a signal it does not wait for long: the signals that follow soon are not sent.
    """
    was_signalled = False

    def wait() -> None:
        nonlocal was_signalled
        was_signalled = signal.wait(ROUND_SECONDS if was_signalled else POLL_SECONDS)

    return wait


class _Pace:
    """The pace of a loop: some rounds without a wait after a pause, else `ROUND_SECONDS` apart."""

    def __init__(self) -> None:
        self._next = 0.0

    def wait_seconds(self) -> float:
        """Return how long the next round has to wait, called at the end of a round."""
        now = time.monotonic()
        self._next = max(self._next, now - ROUNDS_AT_ONCE * ROUND_SECONDS) + ROUND_SECONDS
        return max(0.0, self._next - now)


def _repeat_work(
    work: Callable[[], int], idle: Callable[[], object], stop: threading.Event
) -> None:
    pace = _Pace()
    while not stop.is_set():
        try:
            if work() == 0:
                idle()
        except STORES_AWAY as exc:
            logger.warning("%s waits for a store: %s", work.__name__, type(exc).__name__)
            connection.close()
            stop.wait(OUTAGE_PAUSE_SECONDS)
        except Exception:
            # An error of one row must not end the work for all others.
            logger.exception("a round of %s failed", work.__name__)
            stop.wait(OUTAGE_PAUSE_SECONDS)
        stop.wait(pace.wait_seconds())
    connection.close()
