"""Which processes are alive (docs/decisions/0004).

A process on our own machine is dead when its process id is gone. One elsewhere counts as dead when
its heartbeat has been silent for a lease, but only if we could read the database all that time:
after an outage, or a pause of ours, every process gets a whole lease again.
"""

import hashlib
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

LATE_SECONDS = settings.HEARTBEAT_SECONDS + settings.DATABASE_CONNECT_SECONDS
"""A gap longer than this is an outage; a shorter one is within what a lease has to spare."""


def name_of(*parts: object) -> str:
    """A name for a process; the last part is its number, by which `is_gone` knows it."""
    return ":".join([_machine(), *map(str, parts)])


def process_name() -> str:
    """This process's, as long as it lives; those of one parent's children begin alike."""
    return _name_of_process(os.getpid())


@cache
def _name_of_process(number: int) -> str:
    # In the middle, for numbers come round again.
    return name_of(os.getppid(), uuid.uuid4().hex[:8], number)


def is_gone(name: str) -> bool:
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


class Vigil:
    """Since when the database has answered us without a gap."""

    def __init__(self) -> None:
        self._since = self._last = time.monotonic()

    def listen(self) -> int:
        """Hear from the database; to be called every ``HEARTBEAT_SECONDS``. Always 0."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        now = time.monotonic()
        if now - self._last > LATE_SECONDS:
            self._since = now
        self._last = now
        return 0

    def has_lasted(self) -> bool:
        """Whether for a lease now we would have heard of everybody who lives."""
        now = time.monotonic()
        is_unbroken = now - self._last <= LATE_SECONDS
        return is_unbroken and now - self._since >= settings.WORKER_LEASE_SECONDS


_vigils: list[Vigil] = []


@contextmanager
def vigil() -> Iterator[Vigil]:
    """Let `may_judge` depend on what this process hears; whoever enters it has to listen."""
    vigil = Vigil()
    _vigils.append(vigil)
    try:
        yield vigil
    finally:
        _vigils.remove(vigil)


def may_judge() -> bool:
    """Whether others' silence for a lease is theirs. Without a vigil the caller must know."""
    return all(vigil.has_lasted() for vigil in _vigils)
