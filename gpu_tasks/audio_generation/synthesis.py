"""Synthesise beds of shaped noise, and grains, each a ringing tone or a burst."""

from dataclasses import dataclass

import numpy as np

from gpu_tasks.audio_generation.contract import CHANNELS, RATE
from gpu_tasks.audio_generation.wav import Floats

Random = np.random.Generator
Partials = tuple[tuple[float, float, float], ...]
"""For each partial of a tone: its ratio to the pitch, its gain, and its decay.

The decay is the share of the tone's time in which it falls by 60 dB; infinite if it does not fall.
"""
EDGE_SECONDS = 0.003
"""The fades of grains, which would click without them."""
CHORDS = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))
"""I-V-vi-IV, in semitones above the root."""
CHORD_SECONDS = 2.0


def add_grain(sound: Floats, grain: Floats, seconds: float, pan: float) -> None:
    """Add a mono grain to a stereo sound, at equal power from -1 (left) to 1 (right).

    The part beyond the end is cut.
    """
    start = round(seconds * RATE)
    grain = grain[: max(0, sound.shape[1] - start)]
    angle = (pan + 1) * np.pi / 4
    sound[:, start : start + grain.size] += np.array([[np.cos(angle)], [np.sin(angle)]]) * grain


def build_noise(rng: Random, samples: int, low: float, high: float, tilt: float = 0.0) -> Floats:
    """Return noise of unit power between two frequencies in hertz.

    ``tilt`` is in decibels per octave: -3 is pink, -6 brown.
    """
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
    band = np.sqrt((1 + (low / hertz) ** 8) * (1 + (hertz / high) ** 8))
    gain = hertz ** (tilt / (20 * np.log10(2))) / band
    result: Floats = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * gain, samples)
    return result / max(float(np.sqrt(np.mean(result**2))), 1e-12)


def build_slow_curve(
    rng: Random, samples: int, every_seconds: float, low: float, high: float
) -> Floats:
    """Return a curve that moves smoothly from one random value to the next."""
    position = np.arange(samples) / (every_seconds * RATE)
    points = rng.uniform(low, high, int(position[-1]) + 2)
    index = position.astype(np.int64)
    blend = (1 - np.cos(np.pi * (position - index))) / 2
    curve: Floats = points[index] * (1 - blend) + points[index + 1] * blend
    return curve


def fade_edges(grain: Floats, seconds: float = EDGE_SECONDS) -> Floats:
    """Return the grain with fades of so long at both ends, at most half of it each."""
    size = max(1, min(grain.size // 2, round(seconds * RATE)))
    position = np.arange(grain.size)
    return grain * np.minimum(1, np.minimum(position, position[::-1]) / size)


def build_burst(rng: Random, seconds: float, low: float, high: float) -> Floats:
    """Return noise between two frequencies that falls by 60 dB."""
    time = _list_sample_times(seconds)
    return build_noise(rng, time.size, low, high) * _build_decay_curve(time, seconds)


def build_tone(hertz: float, seconds: float, partials: Partials, bend: float = 1.0) -> Floats:
    """Return a tone whose pitch moves by the factor ``bend``, without inaudible partials."""
    time = _list_sample_times(seconds)
    phase = 2 * np.pi * np.cumsum(hertz * bend ** (time / seconds)) / RATE
    sound = np.zeros(time.size)
    for ratio, gain, time_share in partials:
        if ratio * hertz * max(1.0, bend) < RATE / 2:
            sound += gain * np.sin(ratio * phase) * _build_decay_curve(time, seconds * time_share)
    return sound


def _list_sample_times(seconds: float) -> Floats:
    return np.arange(max(1, round(seconds * RATE))) / RATE


def _build_decay_curve(time: Floats, seconds: float) -> Floats:
    return np.asarray(np.exp(-6.9 * time / seconds))


def choose_moments(rng: Random, seconds: float, every_seconds: float) -> Floats:
    """Return random times in order with this average distance: at least one, the first soon."""
    count = max(1, int(rng.poisson(seconds / every_seconds)))
    times = np.sort(rng.uniform(0, seconds, count))
    times[0] /= 10
    return times


@dataclass(frozen=True)
class Bed:
    """Noise all around that rises and falls slowly."""

    low: float
    high: float
    """In hertz."""
    tilt: float
    """In decibels per octave."""
    swell_seconds: float
    ebb: float
    """The least level, relative to a highest level of 1."""

    def play(self, rng: Random, seconds: int, _: float) -> Floats:
        """Return so many seconds in two channels."""
        samples = seconds * RATE
        sides = [build_noise(rng, samples, self.low, self.high, self.tilt) for _ in range(CHANNELS)]
        return np.stack(sides) * build_slow_curve(rng, samples, self.swell_seconds, self.ebb, 1.0)


@dataclass(frozen=True)
class Grains:
    """A short sound that is repeated with small variations.

    It is a tone if there are partials, else a burst of noise.
    """

    every: float
    """The distance between repetitions in seconds; the average distance if they are random."""
    length: float
    """In seconds; at most the length of the whole sound."""
    low: float = 0.0
    high: float = 0.0
    """In hertz: the band of the noise, or the range of the tones' pitches."""
    partials: Partials = ()
    at_random: bool = False
    after: float = 0.0
    """The begin of the first grain in seconds."""
    times: tuple[int, int] = (1, 1)
    """The least and the most repetitions in a row."""
    attack: float = EDGE_SECONDS
    """In seconds; the release is as long."""
    bend: float = 1.0
    """The factor by which the pitch moves; if grains are random, at most, up or down."""
    gain: float = 1.0
    octave: int | None = None
    """Above the root's octave: tones are notes of `CHORDS`."""
    notes: int = 1
    """How many notes of a chord sound together."""

    def play(self, rng: Random, seconds: int, root_hz: float) -> Floats:
        """Return so many seconds in two channels; ``root_hz`` is the pitch of octave 0."""
        sound = np.zeros((CHANNELS, seconds * RATE))
        variety, width = (0.4, 0.9) if self.at_random else (0.1, 0.3)
        starts = np.arange(self.after, seconds, self.every)
        for start in choose_moments(rng, seconds, self.every) if self.at_random else starts:
            for hertz in self._choose_pitches(rng, root_hz, start):
                # Larger things sound longer and louder, and their noise is deeper.
                size = rng.lognormal(0.0, variety)
                grain_seconds = min(self.length * size, seconds)
                grain = self.gain * size * self._build_grain(rng, hertz, grain_seconds, size)
                pan = width * rng.uniform(-1, 1)
                for number in range(rng.integers(*self.times, endpoint=True)):
                    add_grain(sound, grain, start + 1.6 * number * grain_seconds, pan)
        return sound

    def _choose_pitches(self, rng: Random, root_hz: float, time: float) -> list[float]:
        if self.octave is None:
            return [rng.uniform(self.low, self.high)]
        chord, offset = divmod(time, CHORD_SECONDS)
        notes = list(CHORDS[int(chord) % len(CHORDS)])
        if offset:
            rng.shuffle(notes)
        return [root_hz * 2 ** (self.octave + note / 12) for note in notes[: self.notes]]

    def _build_grain(self, rng: Random, hertz: float, seconds: float, size: float) -> Floats:
        if self.partials:
            bend = self.bend ** (rng.uniform(-1, 1) if self.at_random else 1)
            return fade_edges(build_tone(hertz, seconds, self.partials, bend), self.attack)
        return fade_edges(build_burst(rng, seconds, self.low / size, self.high), self.attack)
