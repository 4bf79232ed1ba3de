"""FFmpeg as a child process: its progress is reported, and it never outlives the call."""

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
    decoding_options,
    demuxer_of,
)
from gpu_tasks.mediakit.sizes import MAX_DECODED_PIXELS
from gpu_tasks.runtime.children import die_with_parent
from gpu_tasks.runtime.errors import AuteurError, EngineError, KilledError

PROGRESS_SECONDS = 0.5
LAST_LINES = 8
LAST_BYTES = 64 * 1024
"""Of what it said; damage can make it say much."""


class FFmpegFailedError(AuteurError):
    """FFmpeg ended with an error; the text holds its last lines."""


@cache
def executable() -> str:
    """The path of the FFmpeg program: `imageio-ffmpeg`'s, or what IMAGEIO_FFMPEG_EXE names."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def source(path: Path) -> list[str]:
    """Arguments that read a file of a user's, and nothing that it may point to."""
    demuxer = demuxer_of(path)
    limits = (
        f"-protocol_whitelist {','.join(FILE_PROTOCOLS)} -format_whitelist {','.join(DEMUXERS)} "
        f"-max_pixels {MAX_DECODED_PIXELS}"
    )
    return [
        *(("-f", demuxer) if demuxer else ()),
        *_decoding_options(path),
        *limits.split(),
        *("-i", f"file:{path}"),
    ]


def _decoding_options(path: Path) -> list[str]:
    try:
        return decoding_options(path)
    except EngineError:
        return []  # FFmpeg will say the same


def run(
    arguments: Sequence[str | Path],
    *,
    seconds: float = 0.0,
    progress: Callable[[float], None] = lambda _share: None,
) -> str:
    """Run FFmpeg to its end, and return the last that it said.

    It says errors, and more with `-loglevel info` in ``arguments``. ``progress`` hears the share
    written, of ``seconds`` of output, twice a second; what it raises kills FFmpeg.
    Raises ``FFmpegFailedError``, and ``KilledError`` where somebody else has killed it.
    """
    options = ["-progress", "pipe:1", "-stats_period", str(PROGRESS_SECONDS), "-nostats"]
    with _running([*options, *arguments], stdout=subprocess.PIPE) as (process, said):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            name, _, value = line.decode().strip().partition("=")
            if name == "out_time_us":
                done = int(value) / 1_000_000 if value.lstrip("-").isdigit() else 0.0
                progress(min(1.0, max(0.0, done / seconds)) if seconds > 0 else 0.0)
        return _wait(process, said)


@contextmanager
def reading(arguments: Sequence[str | Path]) -> Iterator[IO[bytes]]:
    """FFmpeg's output, written to ``pipe:1``; leaving early kills it.

    Raises ``FFmpegFailedError`` at the end, if all of the output was read.
    """
    with _running(arguments, stdout=subprocess.PIPE) as (process, said):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield process.stdout
        if not process.stdout.read(1):
            _wait(process, said)


@contextmanager
def writing(arguments: Sequence[str | Path]) -> Iterator[IO[bytes]]:
    """FFmpeg's input, read from ``pipe:0``; FFmpeg is done when the context ends.

    Raises ``FFmpegFailedError``.
    """
    with _running(arguments, stdin=subprocess.PIPE) as (process, said):
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            yield process.stdin
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended before us: its last lines say why
        _wait(process, said)


@contextmanager
def _running(
    arguments: Sequence[str | Path],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    command = [executable(), "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=said,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one thread, then exec
        )
        try:
            yield process, said
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close(pipe)


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass  # what was buffered has no reader any more


def _wait(process: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    code = process.wait()
    if code == -signal.SIGKILL:
        raise KilledError("FFmpeg was killed")
    said.seek(max(0, said.seek(0, os.SEEK_END) - LAST_BYTES))
    text = said.read().decode(errors="replace")
    if code:
        last = deque((line for line in text.splitlines() if line.strip()), maxlen=LAST_LINES)
        raise FFmpegFailedError(f"FFmpeg ended with {code}: {' / '.join(last)}")
    return text


def decodes(arguments: Sequence[str | Path]) -> bool:
    """Whether FFmpeg gets through an input alone: which of several is to blame for a failure."""
    try:
        run([*arguments, "-f", "null", "-"])
    except FFmpegFailedError:
        return False
    return True
