"""What sounds are made of: shaped noise, slow curves, tones that ring, and where they are put."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.audio_generation.contract import CHANNELS, RATE

Floats = NDArray[np.float64]
"""Samples of one channel, or of both in two rows."""
Random = np.random.Generator
EDGE_SECONDS = 0.003
"""Tones begin and end over so long, or they would click."""


@dataclass(frozen=True)
class Score:
    """What all layers of one sound share."""

    samples: int
    tempo: int
    """Beats a minute."""
    minor: bool
    root_hz: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / RATE

    @property
    def beat_seconds(self) -> float:
        """How long a beat is."""
        return 60 / self.tempo


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


def clock(seconds: float) -> Floats:
    """The times of the samples of so long a stretch."""
    return np.arange(max(1, round(seconds * RATE))) / RATE


def band(low: float, high: float, order: int = 2) -> Callable[[Floats], Floats]:
    """How strong each frequency is that lies between two; Butterworth's slopes beside them."""

    def gain(hertz: Floats) -> Floats:
        hertz = np.maximum(hertz, 1.0)
        rising = np.sqrt(1 + (low / hertz) ** (2 * order))
        falling = np.sqrt(1 + (hertz / high) ** (2 * order))
        return 1 / (rising * falling)

    return gain


def sloped(
    decibels_per_octave: float, gain: Callable[[Floats], Floats]
) -> Callable[[Floats], Floats]:
    """The same, tilted: -3 makes pink noise of white, -6 brown."""
    power = decibels_per_octave / (20 * np.log10(2))
    return lambda hertz: gain(hertz) * np.maximum(hertz, 1.0) ** power


def filtered(sound: Floats, gain: Callable[[Floats], Floats]) -> Floats:
    """The sound with its frequencies weighted, at unit power."""
    size = sound.shape[-1]
    spectrum = np.fft.rfft(sound) * gain(np.fft.rfftfreq(size, 1 / RATE).astype(np.float64))
    shaped: Floats = np.fft.irfft(spectrum, size)
    return shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12)


def noise(rng: Random, samples: int, gain: Callable[[Floats], Floats]) -> Floats:
    """Noise of unit power, its frequencies weighted by ``gain``."""
    return filtered(rng.standard_normal(samples), gain)


def wide_noise(rng: Random, samples: int, gain: Callable[[Floats], Floats]) -> Floats:
    """The same in stereo, each side its own: it surrounds the listener."""
    return np.stack([noise(rng, samples, gain) for _ in range(CHANNELS)])


def slow(rng: Random, samples: int, every_seconds: float, low: float, high: float) -> Floats:
    """A curve that moves smoothly from one random value to the next."""
    place = np.arange(samples) / (every_seconds * RATE)
    points = rng.uniform(low, high, int(place[-1]) + 2)
    left = place.astype(np.int64)
    eased = (1 - np.cos(np.pi * (place - left))) / 2
    curve: Floats = points[left] * (1 - eased) + points[left + 1] * eased
    return curve


def edged(grain: Floats, attack_seconds: float = EDGE_SECONDS) -> Floats:
    """The grain with a soft beginning and end."""
    rise = min(grain.size // 2, max(1, round(attack_seconds * RATE)))
    fall = min(grain.size // 2, max(1, round(EDGE_SECONDS * RATE)))
    shaped = grain.copy()
    shaped[:rise] *= np.linspace(0, 1, rise)
    shaped[grain.size - fall :] *= np.linspace(0, 1, fall)[::-1]
    return shaped


def glide(hertz: Floats) -> Floats:
    """A sine whose frequency follows a curve."""
    return np.sin(2 * np.pi * np.cumsum(hertz) / RATE)


def sawtooth(hertz: Floats) -> Floats:
    """All harmonics of a frequency that follows a curve; it aliases, so it is to be filtered."""
    return 2 * (np.cumsum(hertz) / RATE % 1.0) - 1


def burst(rng: Random, seconds: float, gain: Callable[[Floats], Floats]) -> Floats:
    """Noise that decays, by 60 dB at the end."""
    time = clock(seconds)
    return edged(noise(rng, time.size, gain) * np.exp(-6.9 * time / seconds), 0.0005)


def ring(hertz: float, seconds: float, partials: tuple[tuple[float, float, float], ...]) -> Floats:
    """A struck tone; of each partial the ratio, the gain, and the share of the time it lasts."""
    time = clock(seconds)
    tone = np.zeros(time.size)
    for ratio, gain, lasting in partials:
        if ratio * hertz < RATE / 2:
            decay = np.exp(-6.9 * time / (seconds * lasting))
            tone += gain * np.sin(2 * np.pi * ratio * hertz * time) * decay
    return edged(tone)


def moments(rng: Random, score: Score, per_second: float) -> Iterator[float]:
    """Random times, so many a second on average and at least one."""
    count = max(1, int(rng.poisson(per_second * score.seconds)))
    return iter(np.sort(rng.uniform(0, 0.95 * score.seconds, count)))


def ticks(score: Score, every_seconds: float) -> Iterator[float]:
    """Regular times from the beginning to the end."""
    return iter(np.arange(0, score.seconds, every_seconds))
