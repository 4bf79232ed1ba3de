"""What can be measured in a film's pictures: cuts, brightness, motion, colours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.film import Film, Frame

RATE = Fraction(10)
"""Pictures looked at in a second; times are no finer."""
MAX_SIDE = 320
TOLERANCE_SECONDS = 1.0
"""So much longer than its header says may a film be."""
THUMBNAIL = (32, 18)
MIN_CUT = 0.06
"""Mean change between two pictures, as a share of the full range, below which nothing is a cut."""
CUT_RATIO = 3.0
"""How much a cut exceeds the changes around it (adaptive detection, as in PySceneDetect)."""
CUT_WINDOW = 3
FACE_SECONDS = 1.0
"""Faces are looked for this often."""
MAX_STILL = 0.004
"""Mean change between two pictures up to which the picture stands still: noise of a codec."""

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
    film: Film, tick: Callable[[float], None], count_faces: Callable[[Frame], int] | None = None
) -> Watched:
    """Look at all of a film that was looked up with ``RATE`` and ``MAX_SIDE``.

    ``tick`` is told the share done and may raise to stop. Raises ``EngineError`` INPUT_INVALID
    where the film goes on longer than its header says, or cannot be decoded.
    """
    brightness, change, colours, faces = [], [], [], []
    before: NDArray[Any] | None = None
    for index, frame in enumerate(_bounded(film)):
        tick(min(1.0, index / film.frames_expected))
        small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(
            np.float32
        ) / np.float32(255)
        mean = small.mean(axis=(0, 1))
        brightness.append(float(mean @ (0.2126, 0.7152, 0.0722)))
        change.append(0.0 if before is None else float(np.abs(small - before).mean()))
        colours.append(mean)
        before = small
        if count_faces and index % int(RATE * Fraction(FACE_SECONDS)) == 0:
            faces.append((ms(index), count_faces(frame)))
    return Watched(
        brightness=np.array(brightness, np.float32),
        change=np.array(change, np.float32),
        colours=np.array(colours, np.float32).reshape(-1, 3),
        faces=tuple(faces),
    )


def _bounded(film: Film) -> Iterator[Frame]:
    longest = film.frames_expected + TOLERANCE_SECONDS * film.frame_rate
    for index, frame in enumerate(film.frames()):
        if film.duration_seconds > 0 and index > longest:
            raise EngineError(ErrorCode.INPUT_INVALID, "The film lasts longer than it says.")
        yield frame


def _cuts(change: Floats) -> list[int]:
    """Pictures that differ from the one before far more than their neighbours do."""
    found = []
    for index in np.flatnonzero(change >= MIN_CUT).tolist():
        around = change[max(1, index - CUT_WINDOW) : index + CUT_WINDOW + 1]
        others = (around.sum() - change[index]) / max(1, around.size - 1)
        if change[index] >= CUT_RATIO * others and change[index] == around.max():
            found.append(index)
    return found
