"""Still pictures of a film at even distances, short films denser than long ones."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from gpu_tasks.mediakit import ffmpeg, film
from gpu_tasks.mediakit.film import UNDECODABLE, Film, Frame
from gpu_tasks.mediakit.seeking import entry_into
from gpu_tasks.runtime.errors import EngineError, ErrorCode

PER_SECOND = 2
MIN_FRAMES, MAX_FRAMES = 4, 48
MIN_SHARE = 0.5
"""Of the pictures wanted: with fewer, the film counts as damaged."""


@dataclass(frozen=True)
class Still:
    """A picture, and the second that it is shown at."""

    seconds: float
    frame: Frame


def times(duration_seconds: float) -> list[float]:
    """The middles of equal parts of a film."""
    count = min(MAX_FRAMES, max(MIN_FRAMES, round(duration_seconds * PER_SECOND)))
    return [(place + 0.5) * duration_seconds / count for place in range(count)]


def stills(source: Film, tick: Callable[[float], None]) -> list[Still]:
    """The pictures of a film in order; ``tick`` is told the share done, and may raise to stop.

    Each is sought by itself, so that two hours take no longer than two minutes. Raises
    ``EngineError`` INPUT_INVALID where too few can be decoded.
    """
    if source.duration_seconds <= 0:  # nothing to seek by
        slowly = film.probe(
            source.path, max_side=max(source.width, source.height), frame_rate=Fraction(1)
        )
        return [Still(float(n), one) for n, one in enumerate(islice(slowly.frames(), MAX_FRAMES))]
    wanted, found = times(source.duration_seconds), []
    for place, seconds in enumerate(wanted):
        tick(place / len(wanted))
        frame = _at(source, seconds)
        if frame is not None:
            found.append(Still(seconds, frame))
    if len(found) < MIN_SHARE * len(wanted):
        raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)
    return found


def _at(source: Film, seconds: float) -> Frame | None:
    """The picture that is shown at a time, made upright and sized as `Film.frames` does."""
    # FFmpeg takes the first that begins then or later.
    begins = max(0.0, seconds - 1 / source.frame_rate)
    entry = entry_into(source.path, source.stream, begins)
    filters = source.filters(f"trim=start={begins - entry:.3f}")
    arguments = ["-ss", str(entry)] if entry else []
    arguments += [*ffmpeg.source(source.path), "-map", f"0:{source.stream}", "-vf", filters]
    arguments += ["-frames:v", "1", "-f", "rawvideo", "pipe:1"]
    size = source.width * source.height * 3
    try:
        with ffmpeg.reading(arguments) as output:
            content = output.read(size)
    except ffmpeg.FFmpegFailedError:
        return None
    if len(content) < size:
        return None
    return np.frombuffer(content, np.uint8).reshape(source.height, source.width, 3).copy()
