"""Running one function of ours in a process of its own, where what it reads can do no harm.

The child (`runtime.sandboxed`) lives for one call. It has no network, none of our variables, an
empty folder, and limits. What it reads comes by this process: as an open file, or, from a URL, by
the stretch. The order goes to its standard input as one line of JSON; it answers by a pipe, in
lines: ``read`` and ``ask`` (answered by eight bytes of length, then bytes), ``tell``, and at last
one of ``answer``, ``refused``, ``error``, ``exceeded``, ``killed``, ``full``, ``failed``.
"""

import contextlib
import errno
import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from gpu_tasks.runtime import memory_budget
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import (
    AuteurError,
    EngineError,
    ErrorCode,
    InputRefusedError,
    KilledError,
)
from gpu_tasks.runtime.memory_budget import Reservation, most_bytes
from gpu_tasks.runtime.sources import MAX_READ_BYTES, ByteSource

CODE = Path(__file__).resolve().parents[2]
KEPT_VARIABLES = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "IMAGEIO_FFMPEG_EXE",
    "TZ",
)
SET_VARIABLES = {
    "PYTHONSAFEPATH": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One thread does it, and none reserves memory for others.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
READS_OF_A_SOURCE = 4
"""So often may the source be read as a whole, counted in bytes,"""
READ_BYTES = 64 * 1024**2
"""and this beside."""
TICK_SECONDS = 1.0
MEASURE_SECONDS = 0.1
"""Between two measurements of a child that may grow beyond what is reserved for it."""
MAX_QUESTIONS = 8
"""Of a child to ``reply``."""
MESSAGE_BYTES = 64 * 1024
"""Of the pipe, read at once; and what a message may have around its answer."""
LAST_BYTES = 2000
"""Of what a child said before it failed."""


class Limit(StrEnum):
    """What a child can take too much of."""

    MEMORY = "memory"
    CPU = "cpu"
    TIME = "time"
    FILE_SIZE = "file_size"
    OPEN_FILES = "open_files"
    INPUT = "input"
    ANSWER = "answer"
    CRASH = "crash"
    """It ended by a fault such as a segmentation violation, which may come of a limit too."""


KILLING = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals from outside: the kernel's out-of-memory killer, or an operator. Those below are of the
child's own making, and would come again."""
EXIT_SECONDS = 1.0
"""Between a child's closing of its pipe and its end."""
LIMIT_OF_SIGNAL = {
    signal.SIGXCPU: Limit.CPU,
    signal.SIGXFSZ: Limit.FILE_SIZE,
    signal.SIGSEGV: Limit.CRASH,
    signal.SIGABRT: Limit.CRASH,
    signal.SIGBUS: Limit.CRASH,
    signal.SIGFPE: Limit.CRASH,
    signal.SIGILL: Limit.CRASH,
    signal.SIGSYS: Limit.CRASH,
}


class SandboxExceededError(AuteurError):
    """The child took more than a ``limit``: what it was given asks for too much."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        super().__init__(limit)


class SandboxFailedError(AuteurError):
    """The child failed for a reason that need not lie in its input: killed, or a bug of ours."""


class SandboxKilledError(SandboxFailedError, KilledError):
    """The child, or a program that it had started, was killed from outside."""


class SandboxFullError(SandboxFailedError, OSError):
    """The disk of the child's folder is full: an outage of ours, like that of a storage."""


def run(
    function: str,
    arguments: Mapping[str, Any],
    *,
    limits: Limits,
    source: ByteSource | None = None,
    progress: Callable[[Any], None] | None = None,
    tick: Callable[[], None] = lambda: None,
    reply: Callable[[Any], bytes] | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    memory: Reservation | None = None,
) -> Any:
    """What ``module:function`` answers to the keyword arguments; both are plain JSON.

    With a ``source``, the function gets it as ``source``, an open file; with ``progress``, it gets
    a function ``tell`` whose values arrive there; with ``reply``, a function ``ask`` that returns
    what that answers, `MAX_QUESTIONS` times at most. ``tick`` is called every second or so; what
    any of them raises ends the child. ``folder`` is its working folder, by default an empty one
    that goes with it; ``environment`` is added to the few variables that it has. ``memory`` is
    what the caller has reserved for the child; by default it is waited for.

    Raises ``InputRefusedError`` and ``EngineError`` as the function does, ``SandboxExceededError``,
    ``SandboxFailedError`` (of which two kinds are told apart: ``SandboxKilledError`` and
    ``SandboxFullError``), ``MemoryBusyError``, and what reading the source raises.
    """
    order = {
        "function": function,
        "arguments": dict(arguments),
        "limits": asdict(limits),
        "parent": os.getpid(),
        "source": _described(source),
        "tells": progress is not None,
        "asks": reply is not None,
    }
    with ExitStack() as stack:
        if memory is None:
            memory = stack.enter_context(memory_budget.reserved(limits, tick))
        place = stack.enter_context(_folder(folder))
        said = stack.enter_context(tempfile.TemporaryFile())
        variables = _variables(place) | dict(environment or {})
        descriptor = source.descriptor() if source else None
        child = stack.enter_context(_Child(place, variables, said, descriptor))
        return _Call(child, limits, source, progress, tick, reply, memory).result(order)


def _described(source: ByteSource | None) -> dict[str, Any] | None:
    if source is None:
        return None
    return {"name": source.name, "size": source.size, "descriptor": source.descriptor()}


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="auteur-sandbox-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _variables(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    path = os.pathsep.join(filter(None, [str(CODE), kept.get("PYTHONPATH")]))
    return kept | SET_VARIABLES | {"PYTHONPATH": path, "HOME": str(folder), "TMPDIR": str(folder)}


class _EndedError(AuteurError):
    """The child closed its end of a pipe."""


class _Child:
    """The process; it and all that it started are gone when the context ends."""

    def __init__(
        self, folder: Path, variables: dict[str, str], said: IO[bytes], descriptor: int | None
    ) -> None:
        self.output, write_end = os.pipe()
        self._said = said
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gpu_tasks.runtime.sandboxed", str(write_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                cwd=folder,
                env=variables,
                pass_fds=[write_end, *([descriptor] if descriptor is not None else [])],
                start_new_session=True,
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(write_end)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self.input = self._process.stdin.fileno()
        os.set_blocking(self.input, False)

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
        os.close(self.output)
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def exit_status(self) -> int | None:
        """Return how it ended by itself, a signal as a negative number; None if it still lives."""
        try:
            return self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> int:
        """Kill it with all that it started; how it ended, if it had done so before."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def resident_bytes(self) -> int:
        """Sum the memory of its own that the process and all that it started have."""
        total, pids = 0, [self._process.pid]
        while pids:
            folder = Path(f"/proc/{pids.pop()}")
            # A process may end meanwhile.
            with contextlib.suppress(OSError, ValueError):
                resident, shared = (folder / "statm").read_text().split()[1:3]
                total += (int(resident) - int(shared)) * resource.getpagesize()
                for children in folder.glob("task/*/children"):
                    pids += map(int, children.read_text().split())
        return total

    def last_words(self) -> str:
        """The end of what it said."""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - LAST_BYTES))
        return self._said.read().decode(errors="replace").strip()


class _Call:
    """One order and its answer."""

    def __init__(
        self,
        child: _Child,
        limits: Limits,
        source: ByteSource | None,
        progress: Callable[[Any], None] | None,
        tick: Callable[[], None],
        reply: Callable[[Any], bytes] | None,
        memory: Reservation | None,
    ) -> None:
        self._child = child
        self._limits = limits
        self._source = source
        self._progress = progress
        self._tick = tick
        self._reply = reply
        self._questions = MAX_QUESTIONS
        self._tick_at = time.monotonic() + TICK_SECONDS
        self._memory = memory
        may_grow = memory is not None and memory.size_bytes < most_bytes(limits)
        self._measure_at = time.monotonic() if may_grow else math.inf
        self._budget = READS_OF_A_SOURCE * source.size + READ_BYTES if source else 0
        self._received = bytearray()
        self._deadline = time.monotonic() + limits.wall_seconds

    def result(self, order: Mapping[str, Any]) -> Any:
        """Send it and serve the child until it has answered."""
        try:
            self._send(json.dumps(order).encode() + b"\n")
            while True:
                kind, value = self._message()
                if kind not in ("read", "ask", "tell"):
                    return self._last(kind, value)
                began = time.monotonic()
                answer = self._serve(kind, value)
                # The child did not take this time.
                self._deadline += time.monotonic() - began
                if answer is not None:
                    self._send(len(answer).to_bytes(8, "big") + answer)
        except _EndedError:
            raise self._why() from None

    def _serve(self, kind: str, value: Any) -> bytes | None:
        if kind == "tell":
            if self._progress is not None:
                self._progress(value)
            return None
        if kind == "ask":
            return self._answered(value)
        if self._source is None:
            raise SandboxFailedError("it reads what it was not given")
        offset, length = (int(number) for number in value)
        found = self._source.read(max(0, offset), max(0, min(length, MAX_READ_BYTES)))
        self._budget -= len(found)
        if self._budget < 0:
            raise SandboxExceededError(Limit.INPUT)
        return found

    def _answered(self, question: Any) -> bytes:
        self._questions -= 1
        if self._reply is None or self._questions < 0:
            raise SandboxFailedError("it asks what it may not")
        return self._reply(question)

    def _last(self, kind: str, value: Any) -> Any:
        if kind == "answer":
            return value
        if kind == "refused":
            raise InputRefusedError(*value)
        if kind == "error":
            raise EngineError(ErrorCode(value[0]), value[1])
        if kind == "exceeded":
            raise SandboxExceededError(Limit(value))
        if kind == "killed":
            raise SandboxKilledError(value)
        if kind == "full":
            raise SandboxFullError(errno.ENOSPC, "the disk is full")
        raise SandboxFailedError(f"{value}: {self._child.last_words()}")

    def _message(self) -> tuple[str, Any]:
        """The next one; what is none of ours comes of a child that something took over."""
        line = self._line()
        try:
            [(kind, value)] = json.loads(line).items()
        except (ValueError, AttributeError, RecursionError) as exc:
            raise SandboxFailedError("it sent what cannot be read") from exc
        return kind, value

    def _line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > self._limits.answer_bytes + MESSAGE_BYTES:
                raise SandboxExceededError(Limit.ANSWER)
            self._wait(self._child.output, select.POLLIN)
            found = os.read(self._child.output, MESSAGE_BYTES)
            if not found:
                raise _EndedError
            self._received += found
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _send(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            self._wait(self._child.input, select.POLLOUT)
            try:
                left = left[os.write(self._child.input, left) :]
            except BrokenPipeError:
                raise _EndedError from None

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            now = time.monotonic()
            if now > self._deadline:
                raise SandboxExceededError(Limit.TIME)
            if now >= self._tick_at:
                self._tick()
                self._tick_at = time.monotonic() + TICK_SECONDS
            if now >= self._measure_at:
                if self._memory and not self._memory.grow(self._child.resident_bytes()):
                    raise SandboxExceededError(Limit.MEMORY)
                self._measure_at = time.monotonic() + MEASURE_SECONDS
            until = min(self._tick_at, self._measure_at, self._deadline)
            if poll.poll(max(0.0, until - now) * 1000 + 1):
                return

    def _why(self) -> Exception:
        """Return why it ended without an answer."""
        status = self._child.exit_status()
        self._child.end()
        words = self._child.last_words()
        if status is None:
            return SandboxFailedError(f"it closed its pipe and went on: {words}")
        if status < 0 and (limit := LIMIT_OF_SIGNAL.get(signal.Signals(-status))):
            return SandboxExceededError(limit)
        if "MemoryError" in words:
            return SandboxExceededError(Limit.MEMORY)
        if status < 0 and signal.Signals(-status) in KILLING:
            return SandboxKilledError(f"it ended with {status}")
        return SandboxFailedError(f"it ended with {status}: {words}")
