"""What the draft engine measures in a film: light, colour, change, faces, text, sound levels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gpu_tasks.mediakit import audio
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.film import Film, Frame
from gpu_tasks.video_query.contract import Said
from gpu_tasks.video_query.reading import Reading, lines

RATE = Fraction(10)
"""Pictures looked at in a second; times are no finer."""
MAX_SIDE = 320
THUMBNAIL = (32, 18)
MIN_CUT = 0.06
"""Mean change between two pictures, as a share of the full range, below which nothing is a cut."""
CUT_RATIO = 3.0
"""How much a cut exceeds the changes around it (adaptive detection, as in PySceneDetect)."""
CUT_WINDOW = 3
"""Pictures on either side that a cut is compared with."""
MAX_LOOKS = 200
"""Faces and text are looked for each second, but so often at most: it takes a share of a second."""
FULL_SCALE = 2.0**15
SILENT_DB = -90.0
"""The lowest level told, about what 16 bits can hold."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measures:
    """What is known of a film: of each of its ``n`` pictures, `RATE` a second, and of its sound."""

    colours: Floats
    """``n`` × 3: mean red, green and blue as shares, as coded."""
    change: Floats
    """``n`` mean changes since the picture before, as a share of the full range; first 0."""
    faces: NDArray[np.int64]
    """``n`` counts: of each picture looked at, until the next; zeros where nobody looked."""
    text: Sequence[Said] = ()
    """The lines that stand in the picture; none where nobody read."""
    said: Sequence[Said] | None = None
    """None where there is no sound, or nobody listened."""
    levels: Floats | None = None
    """``n`` sound levels (RMS) in dB of full scale; None where there are none, or unmeasured."""

    @property
    def duration_ms(self) -> int:
        return ms(self.change.size)

    @property
    def cuts(self) -> NDArray[np.intp]:
        """Pictures that differ from the one before far more than their neighbours do."""
        around = sliding_window_view(np.pad(self.change, CUT_WINDOW), 2 * CUT_WINDOW + 1)
        others = (around.sum(axis=1) - self.change) / (2 * CUT_WINDOW)
        least = np.maximum(MIN_CUT, np.maximum(CUT_RATIO * others, around.max(axis=1)))
        return np.flatnonzero(self.change >= least)

    @property
    def shots(self) -> list[tuple[int, int]]:
        """The first and one past the last picture of each shot."""
        return list(pairwise([0, *self.cuts.tolist(), self.change.size]))

    @property
    def motion(self) -> Floats:
        """The changes within shots: at a cut, which is no motion, the one after it counts."""
        motion = self.change.copy()
        motion[self.cuts] = np.append(self.change, 0)[self.cuts + 1]
        return motion


def ms(index: int) -> int:
    """When a picture is shown, in milliseconds."""
    return int(index * 1000 / RATE)


def watch(
    film: Film,
    tick: Callable[[float], None],
    count_faces: Callable[[Frame], int] | None = None,
    read: Callable[[Frame], Reading] | None = None,
) -> Measures:
    """Measure all pictures of a film that was looked up with `RATE`.

    ``tick`` is told the share done and may raise to stop. Raises ``EngineError`` INPUT_INVALID
    where the film goes on longer than its header says, or cannot be decoded.
    """
    thumbnails, faces, readings = [], [], []
    step = max(int(RATE), ceil(film.frames_expected / MAX_LOOKS))
    for index, frame in enumerate(film.frames()):
        tick(min(1.0, index / film.frames_expected))
        thumbnails.append(cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA))
        if index % step == 0:
            faces.append(count_faces(frame) if count_faces else 0)
            readings.append((ms(index), read(frame) if read else ()))
    small = np.array(thumbnails, np.float32) / 255
    return Measures(
        colours=small.mean(axis=(1, 2)),
        change=np.abs(np.diff(small, axis=0, prepend=small[:1])).mean(axis=(1, 2, 3)),
        faces=np.repeat(faces, step)[: len(small)],
        text=lines(readings, ms(len(small))),
    )


def sound_levels(path: Path, count: int, tick: Callable[[float], None]) -> Floats:
    """The levels of the sound beside so many pictures, as `Measures.levels`.

    ``tick`` is told the share done, and may raise to stop. Raises ``EngineError`` INPUT_INVALID
    where there is no sound that can be decoded.
    """
    step = int(audio.RATE / RATE)
    energy = np.zeros(count + 1)  # the last is what goes on after the pictures
    with open_media(path) as container:
        for block in audio.SoundTrack(container).blocks():
            tick(block.share)
            beside = np.minimum(np.arange(block.start, block.end) // step, count)
            energy += np.bincount(beside, (block.samples / FULL_SCALE) ** 2, minlength=count + 1)
    floor = 10 ** (SILENT_DB / 10)
    return (10 * np.log10(np.maximum(energy[:count] / step, floor))).astype(np.float32)
