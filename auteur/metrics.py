"""`/metrics` for Prometheus: how the queue stands and whether the books add up.

All figures are the database's, so any process may be asked and no process keeps counters. What
has an index behind it is read at each scrape. What walks over whole tables is read by a thread
when a scrape finds it older than ``AUDIT_EVERY``: no scrape waits for it, and
``auteur_books_checked_timestamp_seconds`` says how old it is.

It is served at a port of its own (`auteur.server`), which must not be public.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import Error, close_old_connections, connection, transaction
from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from auteur.api import problems
from jobs import ledger_audit
from jobs.heartbeat import LOST_AFTER
from jobs.models import Job, WorkerHeartbeat
from jobs.states import ENDED, OPEN, JobStatus
from jobs.streams import figures, sinks
from jobs.streams.watch import STALE

logger = logging.getLogger(__name__)

AUDIT_EVERY = timedelta(minutes=5)
"""Each API process checks the books this often, while it is scraped."""
AUDIT_LIMIT = timedelta(minutes=1)
"""For each of its statements."""

Environ = dict[str, Any]
Row = tuple[Sequence[str], float]
"""Label values and a figure."""


def application(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    """`GET /metrics` in WSGI, in Prometheus' text format; 503 while PostgreSQL is away."""
    close_old_connections()
    status, content_type, body = _response(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(f"{status} {status.phrase}", headers)
    return [body]


def _response(method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
    if path != "/metrics":
        return HTTPStatus.NOT_FOUND, "text/plain", b""
    if method not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b""
    audits.renew()
    try:
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(_registry)
    except problems.OUTAGES as exc:
        logger.warning("no figures: %s", exc)
        return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"PostgreSQL is away."


# --- The books, now and then ------------------------------------------------------------------


@dataclass(frozen=True)
class Audit:
    """What one walk over the tables found."""

    report: ledger_audit.Report
    ended: tuple[Row, ...]
    """Jobs that ended, by type and status."""


class Audits:
    """The latest audit of this process, and the thread that makes the next."""

    def __init__(self, every: timedelta = AUDIT_EVERY, limit: timedelta = AUDIT_LIMIT) -> None:
        self.latest: Audit | None = None
        self.thread: threading.Thread | None = None
        self._every = every
        self._limit = limit
        self._next = 0.0
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Start another audit, unless one is under way or recent."""
        with self._lock:
            under_way = self.thread is not None and self.thread.is_alive()
            if under_way or time.monotonic() < self._next:
                return
            self._next = time.monotonic() + self._every.total_seconds()
            self.thread = threading.Thread(target=self._audit, name="audit", daemon=True)
            self.thread.start()

    def _audit(self) -> None:
        try:
            self.latest = _run_audit(self._limit)
        except Error as exc:
            logger.warning("books not checked: %s", type(exc).__name__)
        finally:
            connection.close()  # this thread's own


def _run_audit(limit: timedelta) -> Audit:
    with transaction.atomic(durable=True), ledger_audit.consistently(limit):
        report = ledger_audit.check(limit=1)
        ended = tuple(_count(Job.objects.filter(status__in=ENDED), "type", "status"))
    if report.total:
        logger.error("the books are off in %d places: run ledger_verify", report.total)
    return Audit(report=report, ended=ended)


audits = Audits()


# --- Gauges -----------------------------------------------------------------------------------


class Gauges(Collector):
    """Everything that a scrape shows."""

    def collect(self) -> Iterable[Metric]:
        audit = audits.latest
        waking = Job.objects.filter(wake_at__isnull=False, status__in=OPEN)
        yield from _jobs(waking, audit.ended if audit else ())
        yield from _repair(waking)
        yield from _recent_ends()
        if settings.STREAMS_SINK != sinks.OFF:
            yield from _streams()
        if audit is not None:
            yield from _books(audit.report)

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: to be registered asks no database."""
        return []


def _jobs(waking: QuerySet[Job], ended: Iterable[Row]) -> Iterator[Metric]:
    pending = waking.filter(status=JobStatus.PENDING).values_list("type")
    oldest = pending.annotate(at=Min("created_at")).order_by()
    yield _family(
        "jobs",
        "Jobs; ended ones as of the last audit.",
        ("type", "status"),
        [*_count(waking, "type", "status"), *ended],
    )
    yield _family(
        "oldest_pending_seconds",
        "Age of the oldest job that no worker has begun.",
        ("type",),
        [((name,), _seconds_since(at)) for name, at in oldest],
    )
    yield _family(
        "attempts",
        "Present attempts of open jobs.",
        ("gpu_class", "state"),
        _count(waking.exclude(attempt=None), "attempt__gpu_class", "attempt__state"),
    )


def _repair(waking: QuerySet[Job]) -> Iterator[Metric]:
    due = waking.filter(wake_at__lte=Now(), attempt__isnull=False)
    overdue = due.aggregate(jobs=Count("pk"), since=Min("wake_at"))
    alive = WorkerHeartbeat.objects.filter(beat_at__gt=Now() - LOST_AFTER)
    yield _gauge("due_jobs", "Admitted jobs that wait for an orchestrator.", overdue["jobs"])
    yield _gauge(
        "due_lag_seconds",
        "How long the first of them has waited; pending ones wait for a place, not for this.",
        _seconds_since(overdue["since"]),
    )
    yield _gauge("workers_alive", "Worker children with a fresh heartbeat.", alive.count())


def _recent_ends() -> Iterator[Metric]:
    ends = figures.outcomes()
    yield _family(
        "recent_ends",
        "How jobs ended of which the last events of the log tell.",
        ("status",),
        [
            ((JobStatus.COMPLETED,), ends.completed),
            ((JobStatus.FAILED,), ends.failed),
            ((JobStatus.CANCELLED,), ends.cancelled),
        ],
    )
    yield GaugeHistogramMetricFamily(
        "auteur_recent_latency_seconds",
        "How long those of them took that completed, since they were requested.",
        buckets=[
            ("+Inf" if math.isinf(bound) else f"{bound:g}", count) for bound, count in ends.latency
        ],
        gsum_value=ends.latency_sum_seconds,
    )


def _streams() -> Iterator[Metric]:
    lag = figures.publisher_lag()
    yield _gauge("log_position", "The last position of the numbered log.", lag.log_position)
    yield _gauge("streams_position", "How far of it is published.", lag.position)
    yield _gauge("streams_lag_events", "Events that are not published yet.", lag.events)
    yield _gauge("streams_lag_seconds", "Since the first of them happened.", lag.seconds)
    yield _gauge("streams_publishers", "Processes that publish: one, or none.", bool(lag.holder))
    standing = figures.stored(STALE)
    if standing is None:
        return
    yield _family(
        "stream_records",
        "What a stream holds, as its publisher last saw it.",
        ("stream",),
        [((each.stream,), each.records) for each in standing.lengths],
    )
    yield _family(
        "stream_group_lag",
        "Records of a stream that a consumer group has not been given, as last seen.",
        ("stream", "group"),
        [((each.stream, each.group), each.lag) for each in standing.groups],
    )
    yield _family(
        "stream_group_pending",
        "Records that it was given and has not acknowledged, as last seen.",
        ("stream", "group"),
        [((each.stream, each.group), each.pending) for each in standing.groups],
    )


def _books(report: ledger_audit.Report) -> Iterator[Metric]:
    yield _family(
        "ledger_discrepancies",
        "What is off in the books, as of the last audit; `ledger_verify` tells more.",
        ("rule",),
        [((name,), number) for name, number in report.broken.items()],
    )
    yield _gauge("credits_balance", "The sum of all balances.", report.balance)
    yield _gauge(
        "books_checked_timestamp_seconds",
        "When this process last audited the books.",
        report.checked_at.timestamp(),
    )


def _family(name: str, meaning: str, labels: Iterable[str], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(f"auteur_{name}", meaning, labels=list(labels))
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _gauge(name: str, meaning: str, number: float) -> Metric:
    return GaugeMetricFamily(f"auteur_{name}", meaning, value=number)


def _count(jobs: QuerySet[Job], *columns: str) -> list[Row]:
    rows = jobs.values_list(*columns).annotate(Count("pk")).order_by()
    return [(tuple(values), number) for *values, number in rows]


def _seconds_since(moment: datetime | None) -> float:
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0


_registry = CollectorRegistry()
_registry.register(Gauges())
