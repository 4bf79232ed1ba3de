"""Write the result as a WAV file, in blocks."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.audio_generation.contract import CHANNELS, RATE

Floats = NDArray[np.float64]
"""Samples of one channel, or of both in two rows."""

BLOCK = RATE
SAMPLE_BYTES = 2
FULL_SCALE = 32767


def write(path: Path, sound: Floats, progress: Callable[[float], None]) -> None:
    """Write stereo samples between -1 and 1; ``progress`` receives the share written."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(CHANNELS)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RATE)
        size = sound.shape[1]
        for start in range(0, size, BLOCK):
            block = np.clip(
                np.rint(sound[:, start : start + BLOCK] * FULL_SCALE), -FULL_SCALE, FULL_SCALE
            )
            file.writeframes(block.T.astype("<i2").tobytes())
            progress(min(1.0, (start + BLOCK) / size))
