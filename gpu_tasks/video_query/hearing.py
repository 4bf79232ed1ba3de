"""How loud a film's sound is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit import audio
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.video_query.watching import RATE

FULL = 2.0**15
SILENT_DB = -90.0
"""The floor, about what 16 bits can hold."""

_STEP = int(audio.RATE / RATE)


def loudness(path: Path, count: int, tick: Callable[[float], None]) -> NDArray[np.float32]:
    """The level (RMS, in decibels below full scale) of so many parts of the sound, `RATE` a second.

    ``tick`` is told the share done, and may raise to stop. Raises ``EngineError`` INPUT_INVALID
    where there is no sound that can be decoded.
    """
    energy = np.zeros(count)
    with open_media(path) as container:
        for block in audio.SoundTrack(container).blocks():
            tick(block.share)
            parts = np.arange(block.start, block.end) // _STEP
            inside = parts < count
            squares = (block.samples[inside] / FULL) ** 2
            energy += np.bincount(parts[inside], squares, minlength=count)
    floor = 10 ** (SILENT_DB / 10)
    return (10 * np.log10(np.maximum(energy / _STEP, floor))).astype(np.float32)
