"""What sounds are made of: shaped noise, slow curves, tones that ring, and where they are put."""

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.audio_generation.contract import CHANNELS, RATE

Floats = NDArray[np.float64]
"""Samples of one channel, or of both in two rows."""
Random = np.random.Generator
Partials = tuple[tuple[float, float, float], ...]
"""Of each partial of a tone the ratio to its pitch, the gain, and how much of the tone's time it
takes to fall by 60 dB: it is held where that is infinite."""
EDGE_SECONDS = 0.003
"""Grains begin and end over so long, or they would click."""


class Track:
    """A stereo stretch that grains of sound are added to, each at its time and place."""

    def __init__(self, samples: int) -> None:
        self.sound: Floats = np.zeros((CHANNELS, samples))

    def add(self, grain: Floats, seconds: float, *, pan: float = 0.0, gain: float = 1.0) -> None:
        """Add a mono grain; what lies past the end is cut. ``pan`` is -1 (left) to 1 (right)."""
        at = max(0, round(seconds * RATE))
        grain = grain[: max(0, self.sound.shape[1] - at)]
        self.sound[:, at : at + grain.size] += gain * sides(pan)[:, None] * grain


def sides(pan: float) -> Floats:
    """The gains of left and right at equal power."""
    angle = (pan + 1) * np.pi / 4
    return np.array([np.cos(angle), np.sin(angle)])


def noise(rng: Random, samples: int, low: float, high: float, tilt: float = 0.0) -> Floats:
    """Noise of unit power between two frequencies in hertz, tilted by so many decibels an octave:
    -3 is pink, -6 brown."""
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
    band = np.sqrt((1 + (low / hertz) ** 8) * (1 + (hertz / high) ** 8))
    gain = hertz ** (tilt / (20 * np.log10(2))) / band
    shaped: Floats = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * gain, samples)
    return shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12)


def slow(rng: Random, samples: int, every_seconds: float, low: float, high: float) -> Floats:
    """A curve that moves smoothly from one random value to the next."""
    place = np.arange(samples) / (every_seconds * RATE)
    points = rng.uniform(low, high, int(place[-1]) + 2)
    left = place.astype(np.int64)
    eased = (1 - np.cos(np.pi * (place - left))) / 2
    curve: Floats = points[left] * (1 - eased) + points[left + 1] * eased
    return curve


def edged(grain: Floats, seconds: float = EDGE_SECONDS) -> Floats:
    """The grain with a beginning and an end of so long each, at most half of it."""
    size = min(grain.size // 2, max(1, round(seconds * RATE)))
    curve = np.ones(grain.size)
    curve[:size] *= np.linspace(0, 1, size)
    curve[grain.size - size :] *= np.linspace(0, 1, size)[::-1]
    return grain * curve


def burst(rng: Random, seconds: float, low: float, high: float) -> Floats:
    """Noise between two frequencies that falls by 60 dB."""
    time = _clock(seconds)
    return noise(rng, time.size, low, high) * _decay(time, seconds)


def tone(hertz: float, seconds: float, partials: Partials, bend: float = 1.0) -> Floats:
    """A tone whose pitch moves by the factor ``bend``, without the partials that nobody hears."""
    time = _clock(seconds)
    phase = 2 * np.pi * np.cumsum(hertz * bend ** (time / seconds)) / RATE
    sound = np.zeros(time.size)
    for ratio, gain, lasting in partials:
        if ratio * hertz * max(1.0, bend) < RATE / 2:
            sound += gain * np.sin(ratio * phase) * _decay(time, seconds * lasting)
    return sound


def _clock(seconds: float) -> Floats:
    return np.arange(max(1, round(seconds * RATE))) / RATE


def _decay(time: Floats, seconds: float) -> Floats:
    return np.asarray(np.exp(-6.9 * time / seconds))


def moments(rng: Random, seconds: float, every_seconds: float) -> Floats:
    """Random times in order, so far apart on average; there is at least one, the first soon."""
    count = max(1, int(rng.poisson(seconds / every_seconds)))
    times = np.sort(rng.uniform(0, seconds, count))
    times[0] /= 10
    return times
