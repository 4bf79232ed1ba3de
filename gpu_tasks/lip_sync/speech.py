"""What a mouth does while something is said: how far it opens and how wide it is, frame by frame.

The loudness of the voice's band opens the mouth; the balance of its spectrum shapes it, for lips
are rounded for the low formants of /u/ and /o/, and spread for /i/ and the hiss of /s/.
"""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gpu_tasks.mediakit.audio import RATE, Samples

WINDOW = 1024
"""Samples that a frame's sound is judged by: 64 ms."""
VOICE_BAND = (150.0, 4000.0)
"""Hertz; below is hum and wind, above is hiss."""
ROUND_BAND, SPREAD_BAND = (150.0, 900.0), (1800.0, 6000.0)
"""Hertz: where the energy of rounded and of spread vowels lies (Peterson and Barney 1952)."""
FULL_PERCENTILE = 95
"""Of the loudness of what is not silent: from there on the mouth is open all the way."""
RANGE_DB = 24.0
"""Below full loudness: there the mouth is closed."""
FLOOR_DB = -55.0
"""Relative to full scale: what is quieter is silence, however quiet the rest is."""
SMOOTH_SECONDS = 0.04
"""Standard deviation: lips do not move faster (Ohala 1975: syllables come 4 to 8 a second)."""
OPENING_EXPONENT = 1.6
"""Over 1: between syllables the mouth all but closes."""
BALANCE_DB = 15.0
"""Between the two bands, for lips all round or all spread."""

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Lips:
    """The shape of the lips in each frame."""

    opening: Curve
    """0 closed to 1 open all the way."""
    spread: Curve
    """-1 rounded to 1 spread; 0 where nothing is said."""


def lips(sound: Samples, *, frames: int, frame_rate: Fraction) -> Lips:
    """The lips that say ``sound``, in each of so many frames."""
    power = _spectra(sound, frames, frame_rate)
    sigma = SMOOTH_SECONDS * float(frame_rate)
    opening = _smooth(_opening(_level(power, VOICE_BAND)), sigma)
    balance = _smooth(_level(power, SPREAD_BAND) - _level(power, ROUND_BAND), sigma)
    voiced = opening > 0
    middle = np.median(balance[voiced]) if voiced.any() else 0.0
    spread = np.clip((balance - middle) / BALANCE_DB, -1, 1) * np.minimum(1, 4 * opening)
    return Lips(opening=opening, spread=spread)


def _spectra(sound: Samples, frames: int, frame_rate: Fraction) -> NDArray[np.float64]:
    """Power by frame and frequency; a full-scale sine sums to 1."""
    centres = ((np.arange(frames) + 0.5) * RATE / float(frame_rate)).astype(int)
    padded = np.pad(sound.astype(np.float32) / 32768, WINDOW)
    starts = np.minimum(centres + WINDOW // 2, padded.size - WINDOW)
    hann = np.hanning(WINDOW)
    spectra = np.fft.rfft(sliding_window_view(padded, WINDOW)[starts] * hann)
    return np.abs(spectra) ** 2 * 4 / (hann.sum() * WINDOW)


def _level(power: NDArray[np.float64], band: tuple[float, float]) -> Curve:
    """Of each frame within a band, in decibels."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)
    inside = (frequencies >= band[0]) & (frequencies < band[1])
    level: Curve = 10 * np.log10(np.maximum(power[:, inside].sum(axis=1), 1e-12))
    return level


def _opening(loudness: Curve) -> Curve:
    heard = loudness > FLOOR_DB
    if not heard.any():
        return np.zeros_like(loudness)
    full = np.percentile(loudness[heard], FULL_PERCENTILE)
    share = np.clip((loudness - full + RANGE_DB) / RANGE_DB, 0, 1) ** OPENING_EXPONENT
    return np.where(heard, share, 0.0)


def _smooth(curve: Curve, sigma: float) -> Curve:
    smooth = cv2.GaussianBlur(curve[None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[0], float)
