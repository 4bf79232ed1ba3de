"""Sample still pictures of a film at even distances, denser in short films than in long ones."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from gpu_tasks.mediakit import ffmpeg, film
from gpu_tasks.mediakit.film import UNDECODABLE, Film, Frame
from gpu_tasks.mediakit.seeking import find_entry_of_file
from gpu_tasks.runtime.errors import EngineError, ErrorCode

PER_SECOND = 2
MIN_FRAMES, MAX_FRAMES = 4, 48
MIN_SHARE = 0.5
"""If fewer of the requested pictures can be decoded, the film counts as damaged."""


@dataclass(frozen=True)
class Still:
    """A picture and its time in seconds."""

    seconds: float
    frame: Frame


def list_times(duration_seconds: float) -> list[float]:
    """Return the middles of equal parts of a film, in seconds."""
    count = min(MAX_FRAMES, max(MIN_FRAMES, round(duration_seconds * PER_SECOND)))
    return [(index + 0.5) * duration_seconds / count for index in range(count)]


def read_stills(source: Film, tick: Callable[[float], None]) -> list[Still]:
    """Return the pictures of a film in order; ``tick`` receives the share done and may raise.

    The file is searched for each picture, so two hours take no longer than two minutes. Raise
    ``EngineError`` INPUT_INVALID if too few can be decoded.
    """
    if source.duration_seconds <= 0:  # without a duration, seeking is impossible
        film_info = film.probe(
            source.path, max_side=max(source.width, source.height), frame_rate=Fraction(1)
        )
        return [
            Still(float(index), frame)
            for index, frame in enumerate(islice(film_info.frames(), MAX_FRAMES))
        ]
    seconds_list, samples = list_times(source.duration_seconds), []
    for index, seconds in enumerate(seconds_list):
        tick(index / len(seconds_list))
        frame = _read_frame(source, seconds)
        if frame is not None:
            samples.append(Still(seconds, frame))
    if len(samples) < MIN_SHARE * len(seconds_list):
        raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)
    return samples


def _read_frame(source: Film, seconds: float) -> Frame | None:
    """Return the picture shown at a time, upright and sized as by `Film.frames`, or None."""
    # `trim` takes the first picture that begins at this time or later.
    trim_start = max(0.0, seconds - 1 / source.frame_rate)
    entry = find_entry_of_file(source.path, source.stream, trim_start)
    filters = source.filters(f"trim=start={trim_start - entry:.3f}")
    arguments = ["-ss", str(entry)] if entry else []
    arguments += [*ffmpeg.source(source.path), "-map", f"0:{source.stream}", "-vf", filters]
    arguments += ["-frames:v", "1", "-f", "rawvideo", "pipe:1"]
    size = source.width * source.height * 3
    try:
        with ffmpeg.read_output(arguments) as output:
            content = output.read(size)
    except ffmpeg.FFmpegFailedError:
        return None
    if len(content) < size:
        return None
    return np.frombuffer(content, np.uint8).reshape(source.height, source.width, 3).copy()
