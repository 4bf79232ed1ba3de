"""Measure a film for the draft engine: light, colour, change, faces, text, sound levels."""

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
from gpu_tasks.video_query.contract import SpokenSegment
from gpu_tasks.video_query.text_recognition import Reading, merge_readings

RATE = Fraction(10)
"""Pictures measured per second; times are no finer."""
MAX_SIDE = 320
THUMBNAIL = (32, 18)
MIN_CUT = 0.06
"""Mean change between two pictures, as a share of the full range, below which nothing is a cut."""
CUT_RATIO = 3.0
"""The ratio of a cut to the changes around it (adaptive detection, as in PySceneDetect)."""
CUT_WINDOW = 3
"""Pictures on either side with which a cut is compared."""
MAX_LOOKS = 200
"""Faces and text are detected once a second, but at most so often: it takes a share of a second."""
FULL_SCALE = 2.0**15
SILENT_DB = -90.0
"""The lowest level reported, about what 16 bits can hold."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measures:
    """The measurements of a film's ``n`` pictures, `RATE` per second, and of its sound."""

    colours: Floats
    """``n`` × 3: mean red, green and blue as shares, as coded."""
    change: Floats
    """``n`` mean changes since the picture before, as a share of the full range; first 0."""
    faces: NDArray[np.int64]
    """``n`` counts, each repeated until the next picture searched; zeros if none was searched."""
    text: Sequence[SpokenSegment] = ()
    """The lines of text in the picture; empty if text was not read."""
    speech: Sequence[SpokenSegment] | None = None
    """None if there is no sound, or speech was not recognised."""
    levels: Floats | None = None
    """``n`` sound levels (RMS) in dB of full scale; None without sound, or if not measured."""

    @property
    def duration_ms(self) -> int:
        return to_ms(self.change.size)

    @property
    def cuts(self) -> NDArray[np.intp]:
        """Return the pictures that differ from the one before far more than their neighbours do."""
        windows = sliding_window_view(np.pad(self.change, CUT_WINDOW), 2 * CUT_WINDOW + 1)
        neighbours = (windows.sum(axis=1) - self.change) / (2 * CUT_WINDOW)
        thresholds = np.maximum(MIN_CUT, np.maximum(CUT_RATIO * neighbours, windows.max(axis=1)))
        return np.flatnonzero(self.change >= thresholds)

    @property
    def shots(self) -> list[tuple[int, int]]:
        """Return the first and one past the last picture of each shot."""
        return list(pairwise([0, *self.cuts.tolist(), self.change.size]))

    @property
    def motion(self) -> Floats:
        """Return the changes within shots; a cut, which is no motion, gets the next change."""
        motion = self.change.copy()
        motion[self.cuts] = np.append(self.change, 0)[self.cuts + 1]
        return motion


def to_ms(index: int) -> int:
    """Return when a picture is shown, in milliseconds."""
    return int(index * 1000 / RATE)


def measure_film(
    film: Film,
    tick: Callable[[float], None],
    count_faces: Callable[[Frame], int] | None = None,
    read: Callable[[Frame], Reading] | None = None,
) -> Measures:
    """Measure all pictures of a film that was probed with `RATE`.

    ``tick`` receives the completed share and may raise to stop. Raise ``EngineError`` INPUT_INVALID
    if the film is longer than its header says, or cannot be decoded.
    """
    thumbnails, faces, readings = [], [], []
    step = max(int(RATE), ceil(film.frames_expected / MAX_LOOKS))
    for index, frame in enumerate(film.frames()):
        tick(min(1.0, index / film.frames_expected))
        thumbnails.append(cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA))
        if index % step == 0:
            faces.append(count_faces(frame) if count_faces else 0)
            readings.append((to_ms(index), read(frame) if read else ()))
    pictures = np.array(thumbnails, np.float32) / 255
    return Measures(
        colours=pictures.mean(axis=(1, 2)),
        change=np.abs(np.diff(pictures, axis=0, prepend=pictures[:1])).mean(axis=(1, 2, 3)),
        faces=np.repeat(faces, step)[: len(pictures)],
        text=merge_readings(readings, to_ms(len(pictures))),
    )


def measure_sound_levels(path: Path, count: int, tick: Callable[[float], None]) -> Floats:
    """Measure the sound level of each of so many pictures, as `Measures.levels`.

    ``tick`` receives the completed share, and may raise to stop. Raise ``EngineError``
    INPUT_INVALID if there is no sound that can be decoded.
    """
    step = int(audio.RATE / RATE)
    energy = np.zeros(count + 1)  # the last bin collects sound after the pictures
    with open_media(path) as container:
        for block in audio.SoundTrack(container).blocks():
            tick(block.share)
            picture_indices = np.minimum(np.arange(block.start, block.end) // step, count)
            energy += np.bincount(
                picture_indices, (block.samples / FULL_SCALE) ** 2, minlength=count + 1
            )
    floor = 10 ** (SILENT_DB / 10)
    return (10 * np.log10(np.maximum(energy[:count] / step, floor))).astype(np.float32)
