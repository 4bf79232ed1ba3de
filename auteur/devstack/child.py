"""A child process of the supervisor, with its log, restarts and descendants."""

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from enum import Enum, auto
from pathlib import Path

from auteur.devstack.process import Process
from gpu_tasks.runtime.children import die_with_parent

# A process without a check and an announcement counts as ready after this. One with an announcement
# gets longer, because the log level may suppress it.
SETTLE_SECONDS = 1.0
SILENCE_SECONDS = 15.0
FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0  # After running this long, a process restarts with the first backoff.
LOOK_SECONDS = 0.2  # The time between two checks for readiness.
LOG_BYTES = 10 * 2**20  # A larger log is rotated at the next start.
TAIL_LINES = 5


class State(Enum):
    """The state of a child."""

    WAITING = auto()  # For the processes that it needs, or for its backoff to end.
    STARTING = auto()
    READY = auto()
    DONE = auto()  # It was to run once, and has succeeded.
    STOPPING = auto()
    STOPPED = auto()


class Child:
    """A process in a session of its own, with its output in a log file."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.state = State.WAITING
        self.failures = 0
        self.not_before = 0.0
        self.started = 0.0
        self.stop_requested_at = 0.0
        self.is_killed = False
        self._log_start = 0
        self._next_look = 0.0
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    @property
    def is_up(self) -> bool:
        return self.state in (State.READY, State.DONE)

    def start(self) -> None:
        process = self.process
        rotate_log(self.log)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(
                process.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if process.environment is None else dict(process.environment),
                cwd=process.directory,
                start_new_session=True,
                preexec_fn=die_with_parent(process.stop_signal),  # noqa: PLW1509  # one thread
                user=process.uid,
                group=process.gid,
                extra_groups=[] if process.uid is not None else None,
            )
        self.started = time.monotonic()
        self.state = State.STARTING

    def exit_status(self) -> int | None:
        """Return the exit status (negative: the signal) once, or None while it lives."""
        status = self._popen.poll() if self._popen else None
        if self._popen and status is not None:
            self.signal_group(signal.SIGKILL)  # End the descendants that it left running.
            self._popen = None
        return status

    def has_answered(self) -> bool:
        """Return True once the process has shown that it works."""
        if self.process.once:
            return False
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_SECONDS
        if self.process.ready is not None:
            return self.process.ready()
        lifetime = now - self.started
        if announcement := self.process.announcement:
            return lifetime >= SILENCE_SECONDS or announcement in self._read_output()
        return lifetime >= SETTLE_SECONDS

    def _read_output(self) -> str:
        with self.log.open(errors="replace") as log:
            log.seek(self._log_start)
            return log.read()

    def back_off(self) -> float:
        """Count a failure. Return the seconds after which the process may start again."""
        if time.monotonic() - self.started >= STEADY_SECONDS:
            self.failures = 0
        delay = min(FIRST_BACKOFF_SECONDS * 2**self.failures, LAST_BACKOFF_SECONDS)
        self.failures += 1
        self.not_before = time.monotonic() + delay
        self.state = State.WAITING
        return delay

    def ask_to_stop(self) -> None:
        self.state = State.STOPPING
        self.stop_requested_at = time.monotonic()
        if self._popen:
            self._popen.send_signal(self.process.stop_signal)

    def kill(self) -> None:
        """Kill the process and its descendants now."""
        self.state = State.STOPPING
        self.is_killed = True
        self.signal_group(signal.SIGKILL)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and its descendants."""
        if self._popen:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)


def rotate_log(log: Path) -> None:
    """Rotate a log that has grown too large."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def read_last_lines(log: Path) -> str:
    """Return the end of a log, indented."""
    if not log.exists():
        return "    (nothing in it)"
    with log.open(errors="replace") as file:
        lines = deque((line.rstrip() for line in file if line.strip()), maxlen=TAIL_LINES)
    return "\n".join(f"    {line}" for line in lines) or "    (nothing in it)"
