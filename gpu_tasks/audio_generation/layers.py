"""The layers of a sound: textures of noise, struck things, animals, and music in one key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gpu_tasks.audio_generation.contract import RATE
from gpu_tasks.audio_generation.synthesis import (
    Floats,
    Random,
    Score,
    Track,
    band,
    burst,
    clock,
    edged,
    filtered,
    glide,
    moments,
    ring,
    sawtooth,
    sloped,
    slow,
    ticks,
    wide_noise,
)

Layer = Callable[[Random, Score], Floats]
Partials = tuple[tuple[float, float, float], ...]

CHORDS = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))
MINOR_CHORDS = ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17))
"""I-V-vi-IV and i-VI-III-VII, in semitones above the root."""
BEATS_PER_CHORD = 4
HAMMER = tuple((n * (1 + 0.0003 * n * n), 1 / n**1.3, 1 / n**0.6) for n in range(1, 9))
"""A piano's string: its partials are a little sharp, and the high ones are short."""
PLUCK = tuple((float(n), 1 / n, 1 / n) for n in range(1, 11))
THUD = ((1.0, 1.0, 1.0), (1.6, 0.5, 0.6))
BELL = ((0.5, 0.6, 1.0), (1.0, 0.8, 0.8), (1.2, 0.6, 0.6), (1.5, 0.4, 0.5), (2.0, 1.0, 0.5))
"""Hum, prime, minor third, fifth and nominal of a church bell."""


@dataclass(frozen=True)
class Texture:
    """Noise all around that swells and ebbs, and bursts of noise in it."""

    low: float
    high: float
    """Hertz of the noise."""
    tilt: float
    """Decibels an octave."""
    swell_seconds: float
    ebb: float
    """The least level, where 1 is the most."""
    bursts: float = 0.0
    """How many a second."""
    burst_seconds: float = 0.02
    burst_low: float = 1000.0
    burst_high: float = 8000.0
    burst_gain: float = 1.0

    def __call__(self, rng: Random, score: Score) -> Floats:
        """The texture."""
        track = Track(score.samples)
        level = slow(rng, score.samples, self.swell_seconds, self.ebb, 1.0)
        track.sound += wide_noise(rng, score.samples, sloped(self.tilt, band(self.low, self.high)))
        track.sound *= level
        for at in moments(rng, score, self.bursts) if self.bursts else ():
            seconds = self.burst_seconds * rng.uniform(0.5, 1.5)
            grain = burst(rng, seconds, band(self.burst_low * rng.uniform(1, 2), self.burst_high))
            gain = self.burst_gain * min(4.0, rng.lognormal(0.0, 0.6))
            track.add(grain, at, pan=rng.uniform(-0.9, 0.9), gain=gain)
        return track.sound


@dataclass(frozen=True)
class Struck:
    """The same strikes again and again."""

    every_seconds: float
    strikes: tuple[tuple[float, float, float, float], ...]
    """Each with its seconds after the first, hertz, seconds it lasts, and gain."""
    partials: Partials = THUD

    def __call__(self, rng: Random, score: Score) -> Floats:
        """The strikes, each a little aside."""
        track = Track(score.samples)
        for at in ticks(score, self.every_seconds):
            for late, hertz, seconds, gain in self.strikes:
                tone = ring(hertz, seconds, self.partials)
                track.add(tone, at + late, pan=rng.uniform(-0.2, 0.2), gain=gain)
        return track.sound


def engine(rng: Random, score: Score) -> Floats:
    """A motor that holds its speed, almost."""
    speed = rng.uniform(32, 48) * slow(rng, score.samples, 2.0, 0.95, 1.05)
    body = filtered(sawtooth(speed) + 0.5 * sawtooth(speed / 2), sloped(-4, band(30, 900)))
    return body + 0.35 * wide_noise(rng, score.samples, sloped(-3, band(80, 1500)))


def birds(rng: Random, score: Score) -> Floats:
    """Several birds, each with its pitch, its place and its phrase."""
    track = Track(score.samples)
    for _ in range(4):
        pitch, pan = rng.uniform(2200, 5200), rng.uniform(-0.9, 0.9)
        time = clock(rng.uniform(0.06, 0.16))
        bend = 1 + rng.uniform(-0.3, 0.3) * time / time[-1]
        note = edged(glide(pitch * bend) * np.sin(np.pi * time / time[-1]))
        for at in moments(rng, score, 0.4):
            for number in range(int(rng.integers(2, 7))):
                track.add(note, at + 1.6 * number * time[-1], pan=pan)
    return track.sound


def crickets(rng: Random, score: Score) -> Floats:
    """Insects that chirp in trains of pulses, not quite together."""
    track = Track(score.samples)
    time = np.arange(score.samples) / RATE
    for _ in range(4):
        pitch, rate, slowly = rng.uniform((3900, 22, 0.8), (5000, 30, 1.4))
        pulses = np.maximum(0, np.sin(2 * np.pi * (rate * time + rng.random()))) ** 2
        trains = np.clip(6 * np.sin(2 * np.pi * (slowly * time + rng.random())), 0, 1)
        track.add(np.sin(2 * np.pi * pitch * time) * pulses * trains, 0, pan=rng.uniform(-1, 1))
    return track.sound


def thunder(rng: Random, score: Score) -> Floats:
    """Claps that roll away, the first of them soon."""
    track = Track(score.samples)
    at = rng.uniform(0.05, 0.15) * min(score.seconds, 10)
    while at < score.seconds:
        pan = rng.uniform(-0.7, 0.7)
        track.add(burst(rng, rng.uniform(4, 7), sloped(-5, band(25, 350))), at, pan=pan)
        track.add(burst(rng, 0.9, sloped(-4, band(60, 2500))), at, pan=pan, gain=0.5)
        at += rng.uniform(9, 15)
    return track.sound


def _chords(score: Score) -> Iterator[tuple[float, tuple[int, ...]]]:
    """When each chord begins, and its notes."""
    chords = MINOR_CHORDS if score.minor else CHORDS
    for number, at in enumerate(ticks(score, BEATS_PER_CHORD * score.beat_seconds)):
        yield at, chords[number % len(chords)]


def _hertz(score: Score, semitones: float) -> float:
    return float(score.root_hz * 2 ** (semitones / 12))


def drone(rng: Random, score: Score) -> Floats:
    """A deep tone with its fifth, breathing."""
    time = np.arange(score.samples) / RATE
    track = Track(score.samples)
    for ratio, gain, pan in ((1, 1, 0), (1.003, 0.8, -0.6), (1.498, 0.5, 0.6), (2.001, 0.3, 0.2)):
        tone = np.sin(np.pi * score.root_hz * ratio * time)
        track.add(tone * slow(rng, score.samples, 4.0, 0.6, 1.0), 0, pan=pan, gain=gain)
    return track.sound


def tension(rng: Random, score: Score) -> Floats:
    """Two low tones a semitone apart, and pulses that press on."""
    track = Track(score.samples)
    for semitones, pan in ((-12, -0.4), (-11, 0.4)):
        saw = sawtooth(np.full(score.samples, _hertz(score, semitones)))
        level = slow(rng, score.samples, 3.0, 0.5, 1.0)
        track.add(filtered(saw, band(40, 500)) * level, 0, pan=pan)
    for at in ticks(score, score.beat_seconds):
        track.add(ring(50, 0.3, THUD), at, gain=1.5)
    return track.sound


def _bowed(octave: int, overtones: float, attack: float) -> Layer:
    """Chords of held notes that overlap: a pad, or strings."""

    def played(rng: Random, score: Score) -> Floats:
        track = Track(score.samples)
        length = BEATS_PER_CHORD * score.beat_seconds * 1.2
        time = clock(length)
        swell = np.clip(np.minimum(time, length - time) / attack, 0, 1)
        for at, chord in _chords(score):
            for note, pan in zip(chord, (-0.6, 0.1, 0.6), strict=True):
                vibrato = 1 + 0.003 * np.sin(2 * np.pi * rng.uniform(4.8, 5.8) * time)
                hertz = _hertz(score, note + octave)
                saw = filtered(sawtooth(hertz * vibrato), sloped(-3, band(hertz, overtones)))
                track.add(saw * swell, at, pan=pan)
        return track.sound

    return played


def _picked(partials: Partials, seconds: float, octave: int, chance: float) -> Layer:
    """Broken chords in half beats, each note struck or plucked; the first one always."""

    def played(rng: Random, score: Score) -> Floats:
        track = Track(score.samples)
        for at, chord in _chords(score):
            for step in range(2 * BEATS_PER_CHORD):
                if step and rng.random() > chance:
                    continue
                note = chord[rng.integers(3)] if step else chord[0]
                tone = ring(_hertz(score, note + octave), seconds, partials)
                late, gain = at + step * score.beat_seconds / 2, rng.uniform(0.6, 1.0)
                track.add(tone, late, pan=rng.uniform(-0.3, 0.3), gain=gain)
        return track.sound

    return played


def drums(rng: Random, score: Score) -> Floats:
    """Kick on one and three, snare on two and four, hats between."""
    track = Track(score.samples)
    time = clock(0.3)
    kick = edged(glide(45 + 110 * np.exp(-time / 0.03)) * np.exp(-time / 0.09))
    snare = burst(rng, 0.18, band(250, 7000))
    hat = burst(rng, 0.05, band(6000, 16_000, 4))
    for number, at in enumerate(ticks(score, score.beat_seconds / 2)):
        track.add(hat, at, pan=0.35, gain=0.25 if number % 2 else 0.4)
        if number % 4 == 0:
            track.add(kick, at, gain=1.6)
        if number % 4 == 2:
            track.add(snare, at, pan=-0.1, gain=0.5)
    return track.sound


LAYERS: dict[str, Layer] = {
    "rain": Texture(900, 11_000, -2, 3.0, 0.7, bursts=30, burst_low=1500, burst_high=9000),
    "wind": Texture(60, 700, -5, 2.5, 0.1),
    "sea": Texture(50, 5000, -3, 4.0, 0.05),
    "stream": Texture(300, 3500, -2, 1.0, 0.8, bursts=22, burst_seconds=0.05, burst_low=400),
    "fire": Texture(40, 600, -4, 0.12, 0.3, bursts=14, burst_low=700, burst_gain=2.0),
    "thunder": thunder,
    "birds": birds,
    "crickets": crickets,
    "city": Texture(45, 500, -4, 4.0, 0.5, bursts=0.4, burst_seconds=2.5, burst_low=150),
    "crowd": Texture(250, 2500, -4, 0.14, 0.2, bursts=6, burst_seconds=0.25, burst_low=400),
    "engine": engine,
    "heartbeat": Struck(60 / 66, ((0, 48, 0.28, 1), (0.3, 62, 0.2, 0.7))),
    "footsteps": Struck(1.1, ((0, 75, 0.12, 1), (0, 1900, 0.05, 0.2), (0.55, 85, 0.12, 0.9))),
    "bells": Struck(2.6, ((0, 220, 6.0, 1),), BELL),
    "clock": Struck(1.0, ((0, 2600, 0.03, 1), (0.5, 2000, 0.03, 1))),
    "drone": drone,
    "tension": tension,
    "pad": _bowed(0, 900, 1.0),
    "strings": _bowed(12, 4500, 0.4),
    "piano": _picked(HAMMER, 1.8, 12, 0.7),
    "guitar": _picked(PLUCK, 1.4, 12, 1.0),
    "bass": _picked(PLUCK[:4], 0.5, -12, 0.4),
    "drums": drums,
}
"""What each word's layer plays."""
