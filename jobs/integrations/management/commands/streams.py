"""Provide `manage.py streams create|health|peek|tail|lag|publish`: manage and publish streams."""

import base64
import difflib
import json
import logging
import signal
import sys
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.events import outcomes
from jobs.integrations.streams import encoding, figures, sinks
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.publisher import Publisher
from jobs.integrations.streams.sinks.base import SinkError, StoredRecord, StreamStandings
from jobs.integrations.streams.watch import Watch
from jobs.states import JobStatus

logger = logging.getLogger(__name__)

MAX_COUNT = 1000
SAMPLE_SECONDS = 1.0
"""Time between the two samples from which `lag` computes the rate of publishing."""


class Command(BaseCommand):
    help = "Create, inspect and publish the streams of STREAMS_SINK (docs/streams.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)

        def action(name: str, help_: str) -> ArgumentParser:
            subparser: ArgumentParser = actions.add_parser(name, help=help_)
            subparser.add_argument("--json", action="store_true", help="for programs")
            return subparser

        action("create", "create missing streams")
        action("health", "check connection, credentials and streams; exits with 1 if a check fails")
        peek = action("peek", "show the last records of a stream")
        peek.add_argument("stream", type=_parse_stream)
        peek.add_argument("--count", type=_parse_count, default=10, help="at most (%(default)s)")
        tail = action("tail", "show new records until Ctrl-C")
        tail.add_argument(
            "streams", nargs="*", type=_parse_stream, help="the streams to show (default: all)"
        )
        tail.add_argument("--count", type=_parse_count, help="stop after this number of records")
        action("lag", "show the lag of publishing and of consumer groups, and the outcomes of jobs")
        action("publish", "publish the event log until SIGTERM; any number of processes may run")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        run: Mapping[str, Callable[..., None]] = {
            "create": self._create,
            "health": self._health,
            "peek": self._peek,
            "tail": self._tail,
            "lag": self._lag,
            "publish": self._publish,
        }
        try:
            run[action](**options)
        except (SinkError, sinks.StreamsOffError) as exc:
            raise CommandError(str(exc)) from exc

    def _create(self, *, json: bool, **options: Any) -> None:
        results = sinks.create_admin().create(STREAMS.values())
        if json:
            self._print_json([asdict(result) for result in results])
            return
        for result in results:
            self.stdout.write(f"{result.stream}: {'made' if result.created else 'was there'}")

    def _health(self, *, json: bool, **options: Any) -> None:
        checks = sinks.create_admin().check(STREAMS.values())
        is_well = not any(check.problem for check in checks)
        if json:
            self._print_json({"ok": is_well, "checks": [asdict(check) for check in checks]})
        else:
            for check in checks:
                mark = f"PROBLEM: {check.problem}" if check.problem else "ok"
                self.stdout.write(" ".join(filter(None, (f"{check.name}: {mark}", check.detail))))
        if not is_well:
            sys.exit(1)

    def _peek(self, *, json: bool, stream: str, count: int, **options: Any) -> None:
        records = [_to_plain_values(record) for record in sinks.create_admin().peek(stream, count)]
        if json:
            self._print_json(records)
            return
        for record in records:
            self.stdout.write(_format_record(record))
        if not records:
            self.stdout.write(f"{stream} is empty.")

    def _tail(
        self, *, json: bool, streams: Sequence[str], count: int | None, **options: Any
    ) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for number, record in enumerate(sinks.create_admin().tail(streams or [*STREAMS]), 1):
                values = _to_plain_values(record)
                self.stdout.write(_dump_json(values) if json else _format_record(values))
                self.stdout.flush()
                if number == count:
                    return
        except (KeyboardInterrupt, BrokenPipeError):
            return

    def _lag(self, *, json: bool, **options: Any) -> None:
        standing = sinks.create_admin().standing(STREAMS.values())
        earlier = figures.compute_publisher_lag()
        time.sleep(SAMPLE_SECONDS)
        current = figures.compute_publisher_lag()
        speed = max(0.0, (current.position - earlier.position) / SAMPLE_SECONDS)
        values = _build_lag(current, outcomes.count_outcomes(), speed)
        if json:
            self._print_json(values | asdict(standing))
        else:
            self.stdout.write(_format_lag(values, standing))

    def _publish(self, *, json: bool, **options: Any) -> None:
        if settings.STREAMS_SINK == sinks.OFF:
            _wait_for_signal()
            return
        publisher = Publisher(sinks.create_sink())
        _call_on_signal(publisher.stop)
        watch = Watch(sinks.create_admin, publisher.holder)
        watch.start()
        logger.info("streams started")
        publisher.run()
        watch.stop()
        logger.info("streams stopped")
        if json:
            self._print_json({"position": publisher.position})

    def _print_json(self, value: Any) -> None:
        self.stdout.write(_dump_json(value))


def _call_on_signal(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _wait_for_signal() -> None:
    """Wait for the end, because a supervisor would only start this process again."""
    end = threading.Event()
    _call_on_signal(end.set)
    logger.info("streams are off: STREAMS_SINK is none")
    end.wait()


def _parse_stream(name: str) -> str:
    """Return a stream's name; raise ``ArgumentTypeError`` with similar names."""
    if name in STREAMS:
        return name
    matches = difflib.get_close_matches(name, STREAMS, n=3, cutoff=0.5)
    suggestion = f" Did you mean {' or '.join(matches)}?" if matches else ""
    raise ArgumentTypeError(
        f"There is no stream {name!r}.{suggestion} There are: {', '.join(STREAMS)}."
    )


def _parse_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COUNT:
        raise ArgumentTypeError(f"The number must be from 1 to {MAX_COUNT}.")
    return int(text)


def _to_plain_values(record: StoredRecord) -> dict[str, Any]:
    """Return a record as plain values; an unreadable one as bytes, with the reason."""
    values: dict[str, Any] = {
        "stream": record.stream,
        "place": record.location,
        "at": record.at.isoformat(timespec="milliseconds"),
        "key": record.key,
    }
    try:
        return values | {"value": encoding.decode(record.value)}
    except (encoding.UnreadableRecordError, encoding.RegistryError) as exc:
        encoded = base64.b64encode(record.value[:MAX_COUNT]).decode()
        return values | {"unreadable": str(exc), "bytes": encoded}


def _format_record(values: Mapping[str, Any]) -> str:
    value = values["value"] if "value" in values else f"UNREADABLE: {values['unreadable']}"
    text = value if isinstance(value, str) else _dump_json(value)
    return f"{values['at']} {values['stream']} {values['place']} {values['key']} {text}"


_dump_json = partial(json.dumps, default=str, separators=(",", ":"))


def _build_lag(
    lag: figures.PublisherLag, ends: outcomes.Outcomes, published_per_second: float
) -> dict[str, Any]:
    return {
        "publisher": asdict(lag),
        "throughput": {
            "events_per_second": round(figures.compute_event_rate(), 2),
            "published_per_second": round(published_per_second, 2),
        },
        "outcomes": {
            JobStatus.COMPLETED.value: ends.completed,
            JobStatus.FAILED.value: ends.failed,
            JobStatus.CANCELLED.value: ends.cancelled,
            "error_rate": round(ends.error_rate, 4),
        },
        "latency": {
            "sum_seconds": round(ends.latency_sum_seconds, 3),
            "within_seconds": {f"{bound:g}": count for bound, count in ends.latency},
        },
    }


def _format_lag(values: Mapping[str, Any], standing: StreamStandings) -> str:
    publisher, throughput, ends = values["publisher"], values["throughput"], values["outcomes"]
    lines = [
        f"publisher: at {publisher['position']} of {publisher['log_position']}, "
        f"{publisher['events']} events and {publisher['seconds']:.1f} s behind; "
        + (f"held by {publisher['holder']}" if publisher["holder"] else "nobody publishes"),
        f"throughput: {throughput['events_per_second']} events/s happen (last minute), "
        f"{throughput['published_per_second']} events/s are published (last second)",
        f"jobs (last {outcomes.RECENT_EVENTS} events): {ends[JobStatus.COMPLETED]} completed, "
        f"{ends[JobStatus.FAILED]} failed, {ends[JobStatus.CANCELLED]} cancelled; "
        f"error rate {ends['error_rate']:.1%}",
        "requested to completed, within seconds: "
        + ", ".join(f"{le}: {count}" for le, count in values["latency"]["within_seconds"].items()),
        *(f"stream {stream.stream}: {stream.records} records" for stream in standing.lengths),
        *(
            f"group {group.group} of {group.stream}: {group.lag} behind, {group.pending} pending"
            for group in standing.groups
        ),
    ]
    return "\n".join(lines if standing.groups else [*lines, "no consumer groups"])
