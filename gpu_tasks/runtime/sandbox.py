"""Run one function of ours in a sandbox: a process of its own, where hostile input does no harm.

The child (`runtime.sandbox_child`) lives for one call. It has no network, none of our variables, an
empty folder, and limits. It reads its source through this process: as an open file, or, from a URL,
in parts. The order is one line of JSON on its standard input. The child answers through a pipe, in
lines: ``read`` and ``ask`` (answered by eight bytes of length, then bytes), ``tell``, and finally
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
from gpu_tasks.runtime.memory_budget import Reservation, compute_max_bytes
from gpu_tasks.runtime.sources import MAX_READ_BYTES, ByteSource

CODE = Path(__file__).resolve().parents[2]
INHERITED_VARIABLES = (
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
    # One thread is enough, and more of them would reserve memory.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
READS_OF_A_SOURCE = 4
"""The limit of bytes read from the source, as a multiple of its size."""
READ_BYTES = 64 * 1024**2
"""Bytes that may be read in addition to that."""
TICK_SECONDS = 1.0
MEASURE_SECONDS = 0.1
"""Interval of measuring a child that may grow beyond its reservation."""
MAX_QUESTIONS = 8
"""The limit of a child's calls of ``reply``."""
MESSAGE_BYTES = 64 * 1024
"""Size of one read from the pipe, and what a message may add to its answer."""
LAST_BYTES = 2000
"""The number of bytes of a failed child's error output that are kept."""


class Limit(StrEnum):
    """A limit that a child can exceed."""

    MEMORY = "memory"
    CPU = "cpu"
    TIME = "time"
    FILE_SIZE = "file_size"
    OPEN_FILES = "open_files"
    INPUT = "input"
    ANSWER = "answer"
    CRASH = "crash"
    """A fault such as a segmentation violation, which a limit may cause too."""


KILLING = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals from outside: from the kernel's out-of-memory killer, or an operator. The child itself
causes the signals below, and would cause them again."""
EXIT_SECONDS = 1.0
"""Longest time between a child's closing of its pipe and its end."""
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
    """The child exceeded a ``limit``: its input requires too much."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        super().__init__(limit)


class SandboxFailedError(AuteurError):
    """The child failed for a reason other than its input: it was killed, or by a bug of ours."""


class SandboxKilledError(SandboxFailedError, KilledError):
    """The child, or a program that it had started, was killed from outside."""


class SandboxFullError(SandboxFailedError, OSError):
    """The disk of the child's folder is full. That is an outage, like that of a storage."""


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
    """Return the answer of ``module:function`` to the keyword arguments; both are plain JSON.

    With a ``source``, the function gets it as ``source``, an open file. With ``progress``, it gets
    a function ``tell`` whose values are passed to it. With ``reply``, it gets a function ``ask``
    that returns the reply, at most `MAX_QUESTIONS` times. ``tick`` is called about every second.
    What any of them raises ends the child. ``folder`` is its working folder, by default an empty
    one that is deleted afterwards. ``environment`` is added to its few variables. ``memory`` is the
    caller's reservation for the child; by default it is waited for.

    Raises ``InputRefusedError`` and ``EngineError`` as the function does, ``SandboxExceededError``,
    ``SandboxFailedError`` (with two subclasses, ``SandboxKilledError`` and ``SandboxFullError``),
    ``MemoryBusyError``, and what reading the source raises.
    """
    order = {
        "function": function,
        "arguments": dict(arguments),
        "limits": asdict(limits),
        "parent": os.getpid(),
        "source": _describe_source(source),
        "tells": progress is not None,
        "asks": reply is not None,
    }
    with ExitStack() as stack:
        if memory is None:
            memory = stack.enter_context(memory_budget.reserve_memory(limits, tick))
        child_folder = stack.enter_context(_use_folder(folder))
        errors = stack.enter_context(tempfile.TemporaryFile())
        child_environment = _build_environment(child_folder) | dict(environment or {})
        descriptor = source.descriptor() if source else None
        child = stack.enter_context(_Child(child_folder, child_environment, errors, descriptor))
        return _Call(child, limits, source, progress, tick, reply, memory).result(order)


def _describe_source(source: ByteSource | None) -> dict[str, Any] | None:
    if source is None:
        return None
    return {"name": source.name, "size": source.size, "descriptor": source.descriptor()}


@contextmanager
def _use_folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(
        prefix="auteur-sandbox-", ignore_cleanup_errors=True
    ) as temporary_folder:
        yield Path(temporary_folder)


def _build_environment(folder: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    path = os.pathsep.join(filter(None, [str(CODE), inherited.get("PYTHONPATH")]))
    return (
        inherited | SET_VARIABLES | {"PYTHONPATH": path, "HOME": str(folder), "TMPDIR": str(folder)}
    )


class _EndedError(AuteurError):
    """The child closed its end of a pipe."""


class _Child:
    """The process; it and all that it started are killed when the context ends."""

    def __init__(
        self, folder: Path, variables: dict[str, str], errors: IO[bytes], descriptor: int | None
    ) -> None:
        self.output, write_end = os.pipe()
        self._errors = errors
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gpu_tasks.runtime.sandbox_child", str(write_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
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

    def wait_for_exit_status(self) -> int | None:
        """Return its exit status, a signal as a negative number; None if it still lives."""
        try:
            return self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> int:
        """Kill it with all that it started; return its exit status."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def measure_resident_bytes(self) -> int:
        """Return the memory that the process and all that it started have for themselves."""
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

    def read_last_errors(self) -> str:
        """Return the end of its error output."""
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - LAST_BYTES))
        return self._errors.read().decode(errors="replace").strip()


class _Call:
    """One order to a child, and its answer."""

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
        may_grow = memory is not None and memory.size_bytes < compute_max_bytes(limits)
        self._measure_at = time.monotonic() if may_grow else math.inf
        self._budget = READS_OF_A_SOURCE * source.size + READ_BYTES if source else 0
        self._received = bytearray()
        self._deadline = time.monotonic() + limits.wall_seconds

    def result(self, order: Mapping[str, Any]) -> Any:
        """Send the order and serve the child until it has answered."""
        try:
            self._send(json.dumps(order).encode() + b"\n")
            while True:
                kind, value = self._read_message()
                if kind not in ("read", "ask", "tell"):
                    return self._parse_result(kind, value)
                started_at = time.monotonic()
                answer = self._serve_request(kind, value)
                # The child did not use this time.
                self._deadline += time.monotonic() - started_at
                if answer is not None:
                    self._send(len(answer).to_bytes(8, "big") + answer)
        except _EndedError:
            raise self._explain_end() from None

    def _serve_request(self, kind: str, value: Any) -> bytes | None:
        if kind == "tell":
            if self._progress is not None:
                self._progress(value)
            return None
        if kind == "ask":
            return self._answer_question(value)
        if self._source is None:
            raise SandboxFailedError("it reads what it was not given")
        offset, length = (int(number) for number in value)
        content = self._source.read(max(0, offset), max(0, min(length, MAX_READ_BYTES)))
        self._budget -= len(content)
        if self._budget < 0:
            raise SandboxExceededError(Limit.INPUT)
        return content

    def _answer_question(self, question: Any) -> bytes:
        self._questions -= 1
        if self._reply is None or self._questions < 0:
            raise SandboxFailedError("it asks what it may not")
        return self._reply(question)

    def _parse_result(self, kind: str, value: Any) -> Any:
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
        raise SandboxFailedError(f"{value}: {self._child.read_last_errors()}")

    def _read_message(self) -> tuple[str, Any]:
        """Read the next message; refuse malformed ones, which only a hijacked child sends."""
        line = self._read_line()
        try:
            [(kind, value)] = json.loads(line).items()
        except (ValueError, AttributeError, RecursionError) as exc:
            raise SandboxFailedError("it sent what cannot be read") from exc
        return kind, value

    def _read_line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > self._limits.answer_bytes + MESSAGE_BYTES:
                raise SandboxExceededError(Limit.ANSWER)
            self._wait_for(self._child.output, select.POLLIN)
            content = os.read(self._child.output, MESSAGE_BYTES)
            if not content:
                raise _EndedError
            self._received += content
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _send(self, content: bytes) -> None:
        remaining = memoryview(content)
        while remaining:
            self._wait_for(self._child.input, select.POLLOUT)
            try:
                remaining = remaining[os.write(self._child.input, remaining) :]
            except BrokenPipeError:
                raise _EndedError from None

    def _wait_for(self, descriptor: int, event: int) -> None:
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
                if self._memory and not self._memory.grow(self._child.measure_resident_bytes()):
                    raise SandboxExceededError(Limit.MEMORY)
                self._measure_at = time.monotonic() + MEASURE_SECONDS
            until = min(self._tick_at, self._measure_at, self._deadline)
            if poll.poll(max(0.0, until - now) * 1000 + 1):
                return

    def _explain_end(self) -> Exception:
        """Return the error for a child that ended without an answer."""
        status = self._child.wait_for_exit_status()
        self._child.end()
        errors = self._child.read_last_errors()
        if status is None:
            return SandboxFailedError(f"it closed its pipe and went on: {errors}")
        if status < 0 and (limit := LIMIT_OF_SIGNAL.get(signal.Signals(-status))):
            return SandboxExceededError(limit)
        if "MemoryError" in errors:
            return SandboxExceededError(Limit.MEMORY)
        if status < 0 and signal.Signals(-status) in KILLING:
            return SandboxKilledError(f"it ended with {status}")
        return SandboxFailedError(f"it ended with {status}: {errors}")
