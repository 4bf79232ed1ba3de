"""Detection of dead processes (docs/decisions/0004).

A process on our own machine is dead when its process id is gone. One elsewhere counts as dead when
its heartbeat has been silent for a lease, but only if this process has watched the database for all
that time: after an outage, or a pause of this process, every process gets a whole lease again. A
process that does not watch the database never declares another one dead.
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

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.database.clock import (
    MAX_SKEW_SECONDS,
    Clock,
    ClockSkewError,
    check_skew,
    measure_skew,
)

logger = logging.getLogger(__name__)

SKEW_LOG_SECONDS = 60.0
"""The shortest time between two log lines about a wrong clock."""
LATE_SECONDS = settings.HEARTBEAT_SECONDS + settings.DATABASE_CONNECT_SECONDS
"""A longer gap is an outage. A lease tolerates a shorter one."""


def build_process_name(*parts: object) -> str:
    """Return a name for a process. Its last part is the process id (see `is_process_dead`)."""
    return ":".join([_get_machine_name(), *map(str, parts)])


def get_process_name() -> str:
    """Return this process's name, which never changes. Children of one parent share its prefix."""
    return _build_own_name(os.getpid())


@cache
def _build_own_name(number: int) -> str:
    # The random part distinguishes processes, because process ids are reused.
    return build_process_name(os.getppid(), uuid.uuid4().hex[:8], number)


def is_process_dead(name: str) -> bool:
    """Return True if the process is certainly dead; False if it lives or cannot be checked."""
    is_local = name.startswith(_get_machine_name() + ":")
    number = name.rsplit(":", 1)[-1]
    return is_local and number.isdecimal() and not _is_alive(int(number))


@cache
def _get_machine_name() -> str:
    """Return a name of the scope of process ids: machine, boot and container."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    parts = [
        boot.read_text() if boot.exists() else str(uuid.getnode()),
        str(space.readlink()) if space.is_symlink() else "",
    ]
    return f"{socket.gethostname()}:{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):  # Only Linux has this file.
        # A zombie is dead, though its parent has not read its exit status yet.
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return True


class DatabaseWatch:
    """How long the database has answered this process without interruption."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._since = self._last = time.monotonic()
        self._logged_at = -math.inf
        self.skew_seconds = 0.0
        """How far our clock was ahead of the database's at the last check."""

    def check(self) -> int:
        """Query the database. Call this every ``HEARTBEAT_SECONDS``. Return 0."""
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
                logger.error("no lease is judged: %s", exc)  # noqa: TRY400 - no traceback needed

    def is_uninterrupted(self) -> bool:
        """Return True if we would have seen every heartbeat during a full lease."""
        now = time.monotonic()
        is_recent = now - self._last <= LATE_SECONDS
        return is_recent and now - self._since >= settings.WORKER_LEASE_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Check until ``stop`` is set, through outages. Run it in a thread of its own."""
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
    """Register a watch for `can_expire_leases`. The caller must call its `check` or `run`."""
    watch = DatabaseWatch(clock)
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.remove(watch)


def can_expire_leases() -> bool:
    """Return True if a worker's silence for a lease can be blamed on the worker.

    Return False without a watch, and while our clock is wrong, because then this machine may be at
    fault.
    """
    return bool(_watches) and all(
        watch.is_uninterrupted() and abs(watch.skew_seconds) <= MAX_SKEW_SECONDS
        for watch in _watches
    )
