"""Which processes are alive (docs/decisions/0004).

A process on our own machine is dead when its process id is gone. One elsewhere counts as dead when
its heartbeat has been silent for a lease, but only if this process has watched the database for all
that time: after an outage, or a pause of ours, every process gets a whole lease again. A process
that does not watch the database never declares another one dead.
"""

import hashlib
import logging
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from auteur.api.problems import DATABASE_OUTAGES
from auteur.database.clock import (
    MAX_SKEW_SECONDS,
    Clock,
    ClockSkewError,
    check_skew,
    measure_skew,
)

logger = logging.getLogger(__name__)

SKEW_LOG_SECONDS = 60.0
"""Between two lines of the log that say that the clock is wrong."""
LATE_SECONDS = settings.HEARTBEAT_SECONDS + settings.DATABASE_CONNECT_SECONDS
"""A gap longer than this is an outage; a shorter one is within what a lease has to spare."""


def build_process_name(*parts: object) -> str:
    """A name for a process; the last part is its number, by which `is_process_dead` knows it."""
    return ":".join([_machine(), *map(str, parts)])


def process_name() -> str:
    """This process's, as long as it lives; those of one parent's children begin alike."""
    return _name_of_process(os.getpid())


@cache
def _name_of_process(number: int) -> str:
    # In the middle, for numbers come round again.
    return build_process_name(os.getppid(), uuid.uuid4().hex[:8], number)


def is_process_dead(name: str) -> bool:
    """Whether the process of that name is dead for sure; where it cannot be known, it is not."""
    ours = name.startswith(_machine() + ":")
    number = name.rsplit(":", 1)[-1]
    return ours and number.isdecimal() and not _lives(int(number))


@cache
def _machine() -> str:
    """Where numbers of processes mean the same: this boot of this machine, in this container."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    facts = [
        boot.read_text() if boot.exists() else str(uuid.getnode()),
        str(space.readlink()) if space.is_symlink() else "",
    ]
    return f"{socket.gethostname()}:{hashlib.sha256(' '.join(facts).encode()).hexdigest()[:12]}"


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):  # no such file: another kernel than Linux
        # Dead, though its parent has not asked yet how it ended.
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return True


class DatabaseWatch:
    """Track how long the database has answered this process without interruption."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._since = self._last = time.monotonic()
        self._logged_at = -math.inf
        self.skew_seconds = 0.0
        """By how much our clock is ahead of the database's, as of the last check."""

    def check(self) -> int:
        """Query the database; to be called every ``HEARTBEAT_SECONDS``. Return 0, always."""
        self.skew_seconds = measure_skew(self._clock)
        now = time.monotonic()
        if now - self._last > LATE_SECONDS:
            self._since = now
        self._last = now
        self._log_skew(now)
        return 0

    def _log_skew(self, now: float) -> None:
        try:
            check_skew(self.skew_seconds)
        except ClockSkewError as exc:
            if now - self._logged_at >= SKEW_LOG_SECONDS:
                self._logged_at = now
                logger.error("no lease is judged: %s", exc)  # noqa: TRY400 - it has no other cause

    def is_uninterrupted(self) -> bool:
        """Return whether for a full lease we would have seen every heartbeat."""
        now = time.monotonic()
        is_recent = now - self._last <= LATE_SECONDS
        return is_recent and now - self._since >= settings.WORKER_LEASE_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Check until ``stop`` is set, through outages; for a thread of its own."""
        while not stop.is_set():
            try:
                self.check()
            except DATABASE_OUTAGES as exc:
                logger.warning("the database is away: %s", type(exc).__name__)
                connection.close()
            stop.wait(settings.HEARTBEAT_SECONDS)
        connection.close()


_watches: list[DatabaseWatch] = []


@contextmanager
def watch_database(clock: Clock = time.time) -> Iterator[DatabaseWatch]:
    """Let `can_expire_leases` follow a watch, whose `check` or `run` the caller has to call."""
    watch = DatabaseWatch(clock)
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.remove(watch)


def can_expire_leases() -> bool:
    """Return whether a worker's silence for a lease is its own.

    Never without a watch, nor while our clock is wrong: something is the matter with this machine.
    """
    return bool(_watches) and all(
        watch.is_uninterrupted() and abs(watch.skew_seconds) <= MAX_SKEW_SECONDS
        for watch in _watches
    )
