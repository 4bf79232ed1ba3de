"""`manage.py streams create|health|peek|tail|lag|publish`: what others listen to."""

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

from jobs.states import JobStatus
from jobs.streams import encoding, figures, sinks
from jobs.streams.names import STREAMS
from jobs.streams.publisher import Publisher
from jobs.streams.sinks.base import SinkError, Standing, Stored
from jobs.streams.watch import Watch

logger = logging.getLogger(__name__)

MAX_COUNT = 1000
SAMPLE_SECONDS = 1.0
"""Between two looks, by which `lag` tells how fast is published."""


class Command(BaseCommand):
    help = "Make, look at and write the streams that STREAMS_SINK names (docs/streams.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)

        def action(name: str, help_: str) -> ArgumentParser:
            added: ArgumentParser = actions.add_parser(name, help=help_)
            added.add_argument("--json", action="store_true", help="for programs")
            return added

        action("create", "make what is missing, and tell what is otherwise than planned")
        action("health", "try connection, credentials and streams; exits with 1 if one fails")
        peek = action("peek", "show the last records of a stream")
        peek.add_argument("stream", type=_stream)
        peek.add_argument("--count", type=_count, default=10, help="at most (%(default)s)")
        tail = action("tail", "show records as they come, until Ctrl-C")
        tail.add_argument("streams", nargs="*", type=_stream, help="all, if none is named")
        tail.add_argument("--count", type=_count, help="end after so many")
        action("lag", "how far publishing and consumer groups are behind, and how jobs fare")
        action("publish", "publish the numbered log until SIGTERM; any number may run")

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
        made = sinks.make_admin().create(STREAMS.values())
        if json:
            self._print([asdict(each) for each in made])
            return
        for each in made:
            how = "made" if each.created else "was there"
            self.stdout.write("; ".join((f"{each.stream}: {how}", *each.differs)))

    def _health(self, *, json: bool, **options: Any) -> None:
        checks = sinks.make_admin().check(STREAMS.values())
        is_well = not any(check.problem for check in checks)
        if json:
            self._print({"ok": is_well, "checks": [asdict(check) for check in checks]})
        else:
            for check in checks:
                mark = f"PROBLEM: {check.problem}" if check.problem else "ok"
                self.stdout.write(" ".join(filter(None, (f"{check.name}: {mark}", check.detail))))
        if not is_well:
            sys.exit(1)

    def _peek(self, *, json: bool, stream: str, count: int, **options: Any) -> None:
        found = [_shown(record) for record in sinks.make_admin().peek(stream, count)]
        if json:
            self._print(found)
            return
        for record in found:
            self.stdout.write(_line(record))
        if not found:
            self.stdout.write(f"{stream} is empty.")

    def _tail(
        self, *, json: bool, streams: Sequence[str], count: int | None, **options: Any
    ) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for number, record in enumerate(sinks.make_admin().tail(streams or [*STREAMS]), 1):
                shown = _shown(record)
                self.stdout.write(_dumped(shown) if json else _line(shown))
                self.stdout.flush()
                if number == count:
                    return
        except (KeyboardInterrupt, BrokenPipeError):
            return

    def _lag(self, *, json: bool, **options: Any) -> None:
        standing = sinks.make_admin().standing(STREAMS.values())
        before = figures.publisher_lag()
        time.sleep(SAMPLE_SECONDS)
        after = figures.publisher_lag()
        speed = max(0.0, (after.position - before.position) / SAMPLE_SECONDS)
        told = _lag_told(after, figures.outcomes(), speed)
        if json:
            self._print(told | asdict(standing))
        else:
            self.stdout.write(_lag_text(told, standing))

    def _publish(self, *, json: bool, **options: Any) -> None:
        if settings.STREAMS_SINK == sinks.OFF:
            _wait_to_end()
            return
        publisher = Publisher(sinks.make_sink())
        _on_end(publisher.stop)
        watch = Watch(sinks.make_admin, publisher.holder)
        watch.start()
        logger.info("streams started")
        publisher.run()
        watch.stop()
        logger.info("streams stopped")
        if json:
            self._print({"position": publisher.position})

    def _print(self, value: Any) -> None:
        self.stdout.write(_dumped(value))


def _on_end(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _wait_to_end() -> None:
    """Stay: whoever runs us would only start us again."""
    end = threading.Event()
    _on_end(end.set)
    logger.info("streams are off: STREAMS_SINK is none")
    end.wait()


def _stream(name: str) -> str:
    """A stream's name; raises ``ArgumentTypeError`` with what may have been meant."""
    if name in STREAMS:
        return name
    near = difflib.get_close_matches(name, STREAMS, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ArgumentTypeError(f"There is no stream {name!r}.{meant} There are: {', '.join(STREAMS)}.")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COUNT:
        raise ArgumentTypeError(f"It must be from 1 to {MAX_COUNT}.")
    return int(text)


def _shown(record: Stored) -> dict[str, Any]:
    """A record as plain values; one that cannot be read as what it is, with the reason."""
    shown: dict[str, Any] = {
        "stream": record.stream,
        "place": record.place,
        "at": record.at.isoformat(timespec="milliseconds"),
        "key": record.key,
    }
    try:
        return shown | {"value": encoding.decode(record.value)}
    except (encoding.UnreadableRecordError, encoding.RegistryError) as exc:
        encoded = base64.b64encode(record.value[:MAX_COUNT]).decode()
        return shown | {"unreadable": str(exc), "bytes": encoded}


def _line(shown: Mapping[str, Any]) -> str:
    told = shown["value"] if "value" in shown else f"UNREADABLE: {shown['unreadable']}"
    text = told if isinstance(told, str) else _dumped(told)
    return f"{shown['at']} {shown['stream']} {shown['place']} {shown['key']} {text}"


_dumped = partial(json.dumps, default=str, separators=(",", ":"))


def _lag_told(
    lag: figures.PublisherLag, ends: figures.Outcomes, published_per_second: float
) -> dict[str, Any]:
    return {
        "publisher": asdict(lag),
        "throughput": {
            "events_per_second": round(figures.events_per_second(), 2),
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


def _lag_text(told: Mapping[str, Any], standing: Standing) -> str:
    publisher, speed, ends = told["publisher"], told["throughput"], told["outcomes"]
    lines = [
        f"publisher: at {publisher['position']} of {publisher['log_position']}, "
        f"{publisher['events']} events and {publisher['seconds']:.1f} s behind; "
        + (f"held by {publisher['holder']}" if publisher["holder"] else "nobody publishes"),
        f"throughput: {speed['events_per_second']} events/s happen (last minute), "
        f"{speed['published_per_second']} events/s are published (last second)",
        f"jobs (last {figures.RECENT_EVENTS} events): {ends[JobStatus.COMPLETED]} completed, "
        f"{ends[JobStatus.FAILED]} failed, {ends[JobStatus.CANCELLED]} cancelled; "
        f"error rate {ends['error_rate']:.1%}",
        "requested to completed, within seconds: "
        + ", ".join(f"{le}: {count}" for le, count in told["latency"]["within_seconds"].items()),
        *(f"stream {each.stream}: {each.records} records" for each in standing.lengths),
        *(
            f"group {each.group} of {each.stream}: {each.lag} behind, {each.pending} pending"
            for each in standing.groups
        ),
    ]
    return "\n".join(lines if standing.groups else [*lines, "no consumer groups"])
