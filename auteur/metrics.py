"""`/metrics` for Prometheus: the state of the queue and of the ledger.

All figures come from the database, so any process can serve them and no process keeps counters.
Figures that need many rows are computed by one orchestrator for all (`jobs.cached_figures`,
`jobs.audit.running_audit`). A scrape reads the stored ones, and ``auteur_…_timestamp_seconds``
gives their age.

It is served at a port of its own (`auteur.server`), which must not be public.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.db.models import Count, Min
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis import RedisError

from auteur import dead_letters
from auteur.core.api import problems
from jobs import cached_figures
from jobs.audit import running_audit, timeline_audit
from jobs.calls import circuits
from jobs.events import epochs
from jobs.heartbeat import LOST_AFTER
from jobs.integrations.streams import figures as streams
from jobs.integrations.streams import sinks
from jobs.integrations.streams.watch import STALE
from jobs.models import Circuit, Job, WorkerHeartbeat
from jobs.orchestrator import clock_skew
from jobs.states import JobStatus
from media.provenance.certificates import UnusableCertificateError
from media.provenance.credentials import get_identity

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
Row = tuple[Sequence[str], float]
"""Label values and a figure."""


def application(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer `GET /metrics` over WSGI in Prometheus' text format; 503 while PostgreSQL is away."""
    close_old_connections()
    status, content_type, body = _build_response(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(f"{status} {status.phrase}", headers)
    return [body]


def _build_response(method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
    if path != "/metrics":
        return HTTPStatus.NOT_FOUND, "text/plain", b""
    if method not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b""
    try:
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(_registry)
    except problems.OUTAGES as exc:
        logger.warning("no figures: %s", exc)
        return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"PostgreSQL is away."


# --- Gauges -----------------------------------------------------------------------------------


class Gauges(Collector):
    """A collector of all figures of a scrape."""

    def collect(self) -> Iterable[Metric]:
        counts = cached_figures.read_figures(cached_figures.STANDING)
        books = running_audit.read_status()
        yield from _collect_jobs(counts.value if counts else {}, books)
        yield from _collect_due_jobs()
        yield from _collect_dead_letters()
        yield _build_family(
            "clock_skew_seconds",
            "How far the clock of an orchestrator's machine is ahead of PostgreSQL's.",
            ("host",),
            [((host,), seconds) for host, seconds in clock_skew.stored()],
        )
        yield _build_family(
            "circuit_open",
            "1 while most jobs of a feature or backend are lost to an outage, and few are tried.",
            ("circuit",),
            _list_circuits(),
        )
        yield from _collect_certificate()
        yield CounterMetricFamily(
            "auteur_undelivered_results",
            "Results that could not be delivered within three days; their jobs were refunded.",
            value=cached_figures.count_undelivered(),
        )
        if counts is not None:
            yield from _collect_recent_ends(counts.value)
            yield _build_gauge(
                "jobs_counted_timestamp_seconds",
                "When open jobs, attempts and recent ends were last counted.",
                counts.found_at.timestamp(),
            )
        if settings.STREAMS_SINK != sinks.OFF:
            yield from _collect_streams()
        if books is not None:
            yield from _collect_ledger(books)
        yield from _collect_event_log()
        timelines = timeline_audit.read_status()
        if timelines is not None:
            yield from _collect_timelines(timelines)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering the collector queries no database."""
        return []


def _collect_jobs(
    counts: dict[str, Any], books: running_audit.AuditStatus | None
) -> Iterator[Metric]:
    ended = books.ended if books else ()
    yield _build_family(
        "jobs",
        "Jobs; ended ones as of the last audit.",
        ("type", "status"),
        [((type_, status), n) for type_, status, n in (*counts.get("jobs", ()), *ended)],
    )
    yield _build_family(
        "oldest_pending_seconds",
        "Age of the oldest job that no worker has begun.",
        ("type",),
        [
            ((name,), max(0.0, time.time() - since))
            for name, since in counts.get("oldest_pending", ())
        ],
    )
    yield _build_family(
        "attempts",
        "Present attempts of open jobs.",
        ("gpu_class", "state"),
        [((gpu_class, state), n) for gpu_class, state, n in counts.get("attempts", ())],
    )


def _collect_due_jobs() -> Iterator[Metric]:
    due = Job.objects.filter(wake_at__lte=Now(), attempt__isnull=False)
    overdue = due.aggregate(jobs=Count("pk"), since=Min("wake_at"))
    live_workers = WorkerHeartbeat.objects.filter(beat_at__gt=Now() - LOST_AFTER)
    yield _build_gauge("due_jobs", "Admitted jobs that wait for an orchestrator.", overdue["jobs"])
    yield _build_gauge(
        "due_lag_seconds",
        "How long the first of them has waited; pending ones wait for a place, not for this.",
        _get_seconds_since(overdue["since"]),
    )
    yield _build_gauge(
        "workers_alive", "Worker children with a fresh heartbeat.", live_workers.count()
    )


def _list_circuits() -> Iterator[Row]:
    for circuit in Circuit.objects.order_by("name"):
        yield (circuit.name,), circuit.opened_at is not None
    if settings.C2PA_CERTIFICATE_PATH:
        yield (circuits.CERTIFICATE,), circuits.CERTIFICATE in circuits.open_circuits()


def _collect_certificate() -> Iterator[Metric]:
    """Yield nothing if no certificate is set, or it cannot be read."""
    with suppress(UnusableCertificateError):
        if signer := get_identity():
            yield _build_gauge(
                "certificate_expiry_timestamp_seconds",
                "When the certificate that signs content credentials ends.",
                signer.ends_at.timestamp(),
            )


def _collect_dead_letters() -> Iterator[Metric]:
    """Yield nothing while Redis is away, the only store of this figure."""
    with suppress(RedisError):
        count = dead_letters.count_dead_letters()
        yield _build_gauge("dead_letters", "Messages kept that no worker could read.", count)


def _collect_recent_ends(counts: dict[str, Any]) -> Iterator[Metric]:
    statuses = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
    yield _build_family(
        "recent_ends",
        "How jobs ended of which the last events of the log tell.",
        ("status",),
        [((status,), n) for status, n in zip(statuses, counts["ends"], strict=True)],
    )
    yield GaugeHistogramMetricFamily(
        "auteur_recent_latency_seconds",
        "How long those of them took that completed, since they were requested.",
        buckets=[("+Inf" if bound is None else f"{bound:g}", n) for bound, n in counts["latency"]],
        gsum_value=counts["latency_sum_seconds"],
    )


def _collect_streams() -> Iterator[Metric]:
    lag = streams.compute_publisher_lag()
    yield _build_gauge("log_position", "The last position of the numbered log.", lag.log_position)
    yield _build_gauge("streams_position", "How far of it is published.", lag.position)
    yield _build_gauge("streams_lag_events", "Events that are not published yet.", lag.events)
    yield _build_gauge("streams_lag_seconds", "Since the first of them happened.", lag.seconds)
    yield _build_gauge(
        "streams_publishers", "Processes that publish: one, or none.", bool(lag.holder)
    )
    snapshot = streams.find_standing(STALE)
    if snapshot is None:
        return
    yield _build_family(
        "stream_records",
        "What a stream holds, as its publisher last saw it.",
        ("stream",),
        [((length.stream,), length.records) for length in snapshot.lengths],
    )
    yield _build_family(
        "stream_group_lag",
        "Records of a stream that a consumer group has not been given, as last seen.",
        ("stream", "group"),
        [((group.stream, group.group), group.lag) for group in snapshot.groups],
    )
    yield _build_family(
        "stream_group_pending",
        "Records that it was given and has not acknowledged, as last seen.",
        ("stream", "group"),
        [((group.stream, group.group), group.pending) for group in snapshot.groups],
    )


def _collect_ledger(report: running_audit.AuditStatus) -> Iterator[Metric]:
    yield _build_family(
        "ledger_discrepancies",
        "What is off in the books, as of the last audit; `ledger_verify` tells more.",
        ("rule",),
        [((name,), number) for name, number in report.broken.items()],
    )
    yield _build_gauge("credits_balance", "The sum of all balances.", report.balance)
    yield _build_gauge(
        "books_checked_timestamp_seconds",
        "When the books were last audited.",
        report.checked_at.timestamp(),
    )


def _collect_event_log() -> Iterator[Metric]:
    yield _build_gauge(
        "events_epoch", "The present epoch of the numbered log.", epochs.get_current_epoch()
    )
    yield _build_family(
        "log_behind_events",
        "By how many positions a reader is ahead of the log, which was set back.",
        ("reader",),
        [((name,), r["seen"] - r["end"]) for name, r in epochs.list_readers_ahead().items()],
    )


def _collect_timelines(status: timeline_audit.TimelineAuditStatus) -> Iterator[Metric]:
    yield _build_family(
        "timeline_discrepancies",
        "Timelines that are off, as far as was audited; `edl_verify` tells more.",
        ("rule",),
        [((name,), number) for name, number in status.broken.items()],
    )
    yield _build_gauge(
        "timelines_checked_timestamp_seconds",
        "When timelines were last audited.",
        status.checked_at.timestamp(),
    )


def _build_family(name: str, meaning: str, labels: Iterable[str], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(f"auteur_{name}", meaning, labels=list(labels))
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _build_gauge(name: str, meaning: str, number: float) -> Metric:
    return GaugeMetricFamily(f"auteur_{name}", meaning, value=number)


def _get_seconds_since(moment: datetime | None) -> float:
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0


_registry = CollectorRegistry()
_registry.register(Gauges())
