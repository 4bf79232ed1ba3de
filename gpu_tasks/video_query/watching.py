"""What can be measured in a film's pictures: cuts, brightness, motion, colours."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Film, Frame
from gpu_tasks.video_query.reading import Reading

RATE = Fraction(10)
"""Pictures looked at in a second; times are no finer."""
MAX_SIDE = 320
THUMBNAIL = (32, 18)
MIN_CUT = 0.06
"""Mean change between two pictures, as a share of the full range, below which nothing is a cut."""
CUT_RATIO = 3.0
"""How much a cut exceeds the changes around it (adaptive detection, as in PySceneDetect)."""
CUT_WINDOW = 3
LOOK_SECONDS = 1
"""Faces and text are looked for this often."""
MAX_READINGS = 200
"""Text is read in so many pictures at most, evenly spread: each takes a share of a second."""
SAME = 0.02
"""Change of any part of the picture, as a share of the full range, below which no text changes."""
MAX_STILL = 0.004
"""Mean change between two pictures up to which the picture stands still: noise of a codec."""

_LOOK_STEP = int(LOOK_SECONDS * RATE)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Watched:
    """Measures of ``n`` pictures, ``RATE`` a second."""

    brightness: Floats
    """``n`` shares of full white (Rec. 709 luma, as coded)."""
    change: Floats
    """``n`` mean changes since the picture before, as a share of the full range; first 0."""
    colours: Floats
    """``n`` × 3: mean red, green and blue as shares."""
    faces: tuple[tuple[int, int], ...]
    """How many faces are seen, at milliseconds; empty where nobody looked."""
    texts: tuple[tuple[int, Reading], ...]
    """The lines that are read, at milliseconds; empty where nobody read."""

    @property
    def duration_ms(self) -> int:
        """How long the pictures last."""
        return ms(self.brightness.size)

    @property
    def motion(self) -> Floats:
        """The changes within shots: of a cut, which is no motion, what comes after it counts."""
        motion = self.change.copy()
        for first, end in self.shots:
            motion[first] = motion[first + 1] if end > first + 1 else 0.0
        return motion

    @property
    def cuts_ms(self) -> list[int]:
        """When a new shot begins."""
        return [ms(index) for index in _cuts(self.change)]

    @property
    def shots(self) -> list[tuple[int, int]]:
        """The first and one past the last picture of each shot."""
        edges = [0, *_cuts(self.change), self.brightness.size]
        return list(pairwise(edges))


def ms(index: int) -> int:
    """When a picture is shown."""
    return int(index * 1000 / RATE)


def watch(
    film: Film,
    tick: Callable[[float], None],
    count_faces: Callable[[Frame], int] | None = None,
    read: Callable[[Frame], Reading] | None = None,
) -> Watched:
    """Look at all of a film that was looked up with ``RATE``.

    ``tick`` is told the share done and may raise to stop. Raises ``EngineError`` INPUT_INVALID
    where the film goes on longer than its header says, or cannot be decoded.
    """
    brightness, change, colours, faces = [], [], [], []
    before: Floats | None = None
    reader = _Reader(film, read) if read else None
    for index, frame in enumerate(film.frames()):
        tick(min(1.0, index / film.frames_expected))
        small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(
            np.float32
        ) / np.float32(255)
        mean = small.mean(axis=(0, 1))
        brightness.append(float(mean @ (0.2126, 0.7152, 0.0722)))
        change.append(0.0 if before is None else float(np.abs(small - before).mean()))
        colours.append(mean)
        before = small
        if count_faces and index % _LOOK_STEP == 0:
            faces.append((ms(index), count_faces(frame)))
        if reader:
            reader.look(index, frame, small)
    return Watched(
        brightness=np.array(brightness, np.float32),
        change=np.array(change, np.float32),
        colours=np.array(colours, np.float32).reshape(-1, 3),
        faces=tuple(faces),
        texts=tuple(reader.readings) if reader else (),
    )


class _Reader:
    """Reads as often as there is time for; a picture like the one read last is not read again."""

    def __init__(self, film: Film, read: Callable[[Frame], Reading]) -> None:
        self._read = read
        self._step = max(_LOOK_STEP, ceil(film.frames_expected / MAX_READINGS))
        self._seen: Floats | None = None
        self.readings: list[tuple[int, Reading]] = []

    def look(self, index: int, frame: Frame, small: Floats) -> None:
        """Read the picture, where it is due; ``small`` is its thumbnail."""
        if index % self._step:
            return
        if self._seen is not None and np.abs(small - self._seen).max() < SAME:
            reading = self.readings[-1][1]
        else:
            reading = self._read(frame)
            self._seen = small
        self.readings.append((ms(index), reading))


def _cuts(change: Floats) -> list[int]:
    """Pictures that differ from the one before far more than their neighbours do."""
    found = []
    for index in np.flatnonzero(change >= MIN_CUT).tolist():
        around = change[max(1, index - CUT_WINDOW) : index + CUT_WINDOW + 1]
        others = (around.sum() - change[index]) / max(1, around.size - 1)
        if change[index] >= CUT_RATIO * others and change[index] == around.max():
            found.append(index)
    return found
