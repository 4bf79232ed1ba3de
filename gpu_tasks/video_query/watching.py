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
LUMA = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue (Rec. 709)."""
MIN_CUT = 0.06
"""Mean change between two pictures, as a share of the full range, below which nothing is a cut."""
CUT_RATIO = 3.0
"""How much a cut exceeds the changes around it (adaptive detection, as in PySceneDetect)."""
CUT_WINDOW = 3
MAX_STILL = 0.004
"""Mean change between two pictures up to which the picture stands still: noise of a codec."""
MAX_LOOKS = 200
"""Faces and text are looked for each second, but so often at most: it takes a share of a second."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Watched:
    """Measures of ``n`` pictures, ``RATE`` a second."""

    brightness: Floats
    """``n`` shares of full white, as coded."""
    change: Floats
    """``n`` mean changes since the picture before, as a share of the full range; first 0."""
    colours: Floats
    """``n`` × 3: mean red, green and blue as shares."""
    faces: tuple[tuple[int, int], ...] = ()
    """How many faces are seen, at milliseconds; empty where nobody looked."""
    texts: tuple[tuple[int, Reading], ...] = ()
    """The lines that are read, at milliseconds; empty where nobody read."""

    @property
    def duration_ms(self) -> int:
        """How long the pictures last."""
        return ms(self.brightness.size)

    @property
    def cuts(self) -> list[int]:
        """Pictures that differ from the one before far more than their neighbours do."""
        found = []
        for index in np.flatnonzero(self.change >= MIN_CUT).tolist():
            around = self.change[max(1, index - CUT_WINDOW) : index + CUT_WINDOW + 1]
            others = (around.sum() - self.change[index]) / max(1, around.size - 1)
            if self.change[index] >= max(CUT_RATIO * others, around.max()):
                found.append(index)
        return found

    @property
    def shots(self) -> list[tuple[int, int]]:
        """The first and one past the last picture of each shot."""
        return list(pairwise([0, *self.cuts, self.brightness.size]))

    @property
    def motion(self) -> Floats:
        """The changes within shots: at a cut, which is no motion, the one after it counts."""
        motion = self.change.copy()
        for cut in self.cuts:
            motion[cut] = motion[cut + 1 : cut + 2].sum()
        return motion


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
    thumbnails, faces, texts = [], [], []
    step = max(int(RATE), ceil(film.frames_expected / MAX_LOOKS))
    for index, frame in enumerate(film.frames()):
        tick(min(1.0, index / film.frames_expected))
        thumbnails.append(cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA))
        if count_faces and index % step == 0:
            faces.append((ms(index), count_faces(frame)))
        if read and index % step == 0:
            texts.append((ms(index), read(frame)))
    small = np.array(thumbnails, np.float32) / 255
    colours = small.mean(axis=(1, 2))
    return Watched(
        brightness=(colours @ LUMA).astype(np.float32),
        change=np.abs(np.diff(small, axis=0, prepend=small[:1])).mean(axis=(1, 2, 3)),
        colours=colours,
        faces=tuple(faces),
        texts=tuple(texts),
    )
