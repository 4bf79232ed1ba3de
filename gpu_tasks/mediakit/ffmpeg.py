"""FFmpeg as a child process that reports its progress and never outlives the call."""

import os
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

import imageio_ffmpeg

from gpu_tasks.mediakit.decoding import (
    DEMUXERS,
    FILE_PROTOCOLS,
    find_demuxer,
    get_decoding_options,
)
from gpu_tasks.mediakit.sizes import MAX_DECODED_PIXELS
from gpu_tasks.runtime.children import die_with_parent
from gpu_tasks.runtime.errors import AuteurError, EngineError, KilledError

PROGRESS_SECONDS = 0.5
LAST_LINES = 8
LAST_BYTES = 64 * 1024
"""How much of its error output is kept; damaged input can cause a lot."""


class FFmpegFailedError(AuteurError):
    """FFmpeg ended with an error; the text holds its last lines."""


@cache
def get_executable() -> str:
    """Return the path of FFmpeg: `imageio-ffmpeg`'s own, or IMAGEIO_FFMPEG_EXE."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def source(path: Path) -> list[str]:
    """Return the arguments that read a user's file, and no file or URL that it refers to."""
    demuxer = find_demuxer(path)
    limits = (
        f"-protocol_whitelist {','.join(FILE_PROTOCOLS)} -format_whitelist {','.join(DEMUXERS)} "
        f"-max_pixels {MAX_DECODED_PIXELS}"
    )
    return [
        *(("-f", demuxer) if demuxer else ()),
        *_get_decoding_options(path),
        *limits.split(),
        *("-i", f"file:{path}"),
    ]


def _get_decoding_options(path: Path) -> list[str]:
    try:
        return get_decoding_options(path)
    except EngineError:
        return []  # FFmpeg itself will report the error


def run(
    arguments: Sequence[str | Path],
    *,
    seconds: float = 0.0,
    progress: Callable[[float], None] = lambda _share: None,
) -> str:
    """Run FFmpeg to its end, and return the end of its error output.

    It prints errors, and more with `-loglevel info` in ``arguments``. ``progress`` is called twice
    a second with the written share of ``seconds`` of output. What it raises kills FFmpeg. Raises
    ``FFmpegFailedError``, and ``KilledError`` if it was killed from outside.
    """
    options = ["-progress", "pipe:1", "-stats_period", str(PROGRESS_SECONDS), "-nostats"]
    with _start_ffmpeg([*options, *arguments], stdout=subprocess.PIPE) as (process, errors):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            name, _, value = line.decode().strip().partition("=")
            if name == "out_time_us":
                seconds_done = int(value) / 1_000_000 if value.lstrip("-").isdigit() else 0.0
                progress(min(1.0, max(0.0, seconds_done / seconds)) if seconds > 0 else 0.0)
        return _wait_for_end(process, errors)


@contextmanager
def read_output(arguments: Sequence[str | Path]) -> Iterator[IO[bytes]]:
    """Provide FFmpeg's output, written to ``pipe:1``; leaving early kills it.

    Raises ``FFmpegFailedError`` at the end, if all of the output was read.
    """
    with _start_ffmpeg(arguments, stdout=subprocess.PIPE) as (process, errors):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield process.stdout
        if not process.stdout.read(1):
            _wait_for_end(process, errors)


@contextmanager
def write_input(arguments: Sequence[str | Path]) -> Iterator[IO[bytes]]:
    """Provide FFmpeg's input, read from ``pipe:0``; FFmpeg is done when the context ends.

    Raises ``FFmpegFailedError``.
    """
    with _start_ffmpeg(arguments, stdin=subprocess.PIPE) as (process, errors):
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            yield process.stdin
            process.stdin.close()
        except BrokenPipeError:
            pass  # FFmpeg has ended already; its last lines say why
        _wait_for_end(process, errors)


@contextmanager
def _start_ffmpeg(
    arguments: Sequence[str | Path],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    command = [get_executable(), "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=errors,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one thread, then exec
        )
        try:
            yield process, errors
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close_pipe(pipe)


def _close_pipe(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass  # nothing reads the buffered rest any more


def _wait_for_end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    code = process.wait()
    if code == -signal.SIGKILL:
        raise KilledError("FFmpeg was killed")
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - LAST_BYTES))
    text = errors.read().decode(errors="replace")
    if code:
        last_lines = deque((line for line in text.splitlines() if line.strip()), maxlen=LAST_LINES)
        raise FFmpegFailedError(f"FFmpeg ended with {code}: {' / '.join(last_lines)}")
    return text


def can_decode(arguments: Sequence[str | Path]) -> bool:
    """Return whether FFmpeg can decode an input alone, to find the cause of a failure."""
    try:
        run([*arguments, "-f", "null", "-"])
    except FFmpegFailedError:
        return False
    return True
