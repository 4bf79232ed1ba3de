"""Estimate how far a mouth opens in each frame of speech, from the loudness of the voice's band.

Lips are not rounded or spread, as they would be for /u/ and /i/: the draft has one shape of mouth.
"""

from fractions import Fraction

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gpu_tasks.mediakit.audio import RATE, Samples

WINDOW = 1024
"""The samples from which a frame's loudness is measured: 64 ms."""
VOICE_BAND = (150.0, 4000.0)
"""Hertz; below is hum and wind, above is hiss."""
FULL_PERCENTILE = 95
"""The percentile of the loudness of audible frames from which the mouth is fully open."""
RANGE_DB = 24.0
"""The difference to full loudness at which the mouth is closed."""
FLOOR_DB = -55.0
"""Relative to full scale: anything quieter is silence, however quiet the rest is."""
SMOOTH_SECONDS = 0.04
"""Standard deviation: lips do not move faster (Ohala 1975: syllables come 4 to 8 a second)."""
OPENING_EXPONENT = 1.6
"""Above 1, so that the mouth almost closes between syllables."""

Curve = NDArray[np.float64]


def measure_openings(sound: Samples, *, frames: int, frame_rate: Fraction) -> Curve:
    """Return the mouth's opening for ``sound`` in each frame: from 0, closed, to 1, fully open."""
    loudness = _measure_loudness(sound, frames, frame_rate)
    is_audible = loudness > FLOOR_DB
    if not is_audible.any():
        return np.zeros(frames)
    full_loudness = np.percentile(loudness[is_audible], FULL_PERCENTILE)
    share = np.clip((loudness - full_loudness + RANGE_DB) / RANGE_DB, 0, 1) ** OPENING_EXPONENT
    sigma = SMOOTH_SECONDS * float(frame_rate)
    raw_curve = np.where(is_audible, share, 0.0)[None]
    smooth = cv2.GaussianBlur(raw_curve, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[0], float)


def _measure_loudness(sound: Samples, frames: int, frame_rate: Fraction) -> Curve:
    """Return each frame's loudness in the voice's band, in decibels of a full-scale sine."""
    centres = ((np.arange(frames) + 0.5) * RATE / float(frame_rate)).astype(int)
    padded = np.pad(sound.astype(np.float32) / 32768, WINDOW)
    starts = np.minimum(centres + WINDOW // 2, padded.size - WINDOW)
    hann = np.hanning(WINDOW)
    spectra = np.abs(np.fft.rfft(sliding_window_view(padded, WINDOW)[starts] * hann))
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    inside = (hertz >= VOICE_BAND[0]) & (hertz < VOICE_BAND[1])
    power = (spectra[:, inside] ** 2).sum(axis=1) * 4 / (hann.sum() * WINDOW)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))
