"""Layers with pitch and beat; they share key, tempo and chords, so that they go together."""

from collections.abc import Iterator

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
    ring,
    sawtooth,
    sloped,
    slow,
    ticks,
    wide_noise,
)

MAJOR_CHORDS = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))
MINOR_CHORDS = ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17))
"""I-V-vi-IV and i-VI-III-VII, in semitones above the root."""
BEATS_PER_CHORD = 4
HAMMER = tuple((n * (1 + 0.0003 * n * n), 1 / n**1.3, 1 / n**0.6) for n in range(1, 9))
"""A piano's string: its partials are a little sharp, and the high ones are short."""
PLUCK = tuple((float(n), 1 / n, 1 / n) for n in range(1, 11))


def _chords(score: Score) -> Iterator[tuple[float, tuple[int, ...]]]:
    """When each chord begins, and its notes."""
    chords = MINOR_CHORDS if score.minor else MAJOR_CHORDS
    for number, at in enumerate(ticks(score, BEATS_PER_CHORD * score.beat_seconds)):
        yield at, chords[number % len(chords)]


def _hertz(score: Score, semitones: float) -> float:
    return float(score.root_hz * 2 ** (semitones / 12))


def pad(rng: Random, score: Score) -> Floats:
    """Slow chords of detuned voices that swell and overlap."""
    track = Track(score.samples)
    length = BEATS_PER_CHORD * score.beat_seconds * 1.3
    time = clock(length)
    swell = np.sin(np.pi * time / length) ** 0.7
    for at, chord in _chords(score):
        for note in chord:
            for cents, pan in ((-6, -0.7), (6, 0.7)):
                hertz = _hertz(score, note + cents / 100)
                track.add(_warm(hertz, time, rng) * swell, at, pan=pan)
    return track.sound


def _warm(hertz: float, time: Floats, rng: Random) -> Floats:
    phase = rng.uniform(0, 2 * np.pi)
    voice = np.zeros(time.size)
    for number, gain in enumerate((1.0, 0.45, 0.25, 0.1), start=1):
        voice += gain * np.sin(2 * np.pi * number * hertz * time + number * phase)
    return voice


def drone(rng: Random, score: Score) -> Floats:
    """A deep tone with its fifth, breathing."""
    time = np.arange(score.samples) / RATE
    low = score.root_hz / 2
    track = Track(score.samples)
    for ratio, gain, pan in ((1, 1, 0), (1.003, 0.8, -0.6), (1.498, 0.5, 0.6), (2.001, 0.3, 0.2)):
        breath = slow(rng, score.samples, 4.0, 0.6, 1.0)
        track.add(np.sin(2 * np.pi * low * ratio * time) * breath, 0, pan=pan, gain=gain)
    return track.sound + 0.05 * wide_noise(rng, score.samples, sloped(-4, band(60, 400)))


def tension(rng: Random, score: Score) -> Floats:
    """Two low tones a semitone apart, a trembling above them, and pulses that press on."""
    track = Track(score.samples)
    time = np.arange(score.samples) / RATE
    low = score.root_hz / 2
    for ratio, pan in ((1.0, -0.4), (2 ** (1 / 12), 0.4)):
        saw = filtered(sawtooth(np.full(score.samples, low * ratio)), band(40, 500))
        track.add(saw, 0, pan=pan)
    tremble = 0.5 + 0.5 * np.sin(2 * np.pi * 9 * time)
    high = glide(np.linspace(8.0, 8.5, score.samples) * low) * tremble
    track.add(high * slow(rng, score.samples, 3.0, 0.0, 0.5), 0, pan=0.3)
    for at in ticks(score, score.beat_seconds):
        track.add(ring(50, 0.3, ((1, 1, 1), (2, 0.4, 0.5))), at, gain=1.5)
    return track.sound


def strings(rng: Random, score: Score) -> Floats:
    """Bowed chords with vibrato."""
    track = Track(score.samples)
    length = BEATS_PER_CHORD * score.beat_seconds * 1.15
    time = clock(length)
    bow = np.minimum(1, time / 0.4) * np.minimum(1, (length - time) / 0.5)
    for at, chord in _chords(score):
        for note, pan in zip(chord, (-0.5, 0.1, 0.6), strict=True):
            vibrato = 1 + 0.004 * np.sin(2 * np.pi * rng.uniform(4.8, 5.8) * time)
            hertz = _hertz(score, note + 12)
            saw = filtered(sawtooth(hertz * vibrato), sloped(-3, band(hertz, 4500)))
            track.add(saw * np.clip(bow, 0, 1), at, pan=pan)
    return track.sound


def piano(rng: Random, score: Score) -> Floats:
    """A melody over broken chords."""
    track = Track(score.samples)
    beat = score.beat_seconds
    for at, chord in _chords(score):
        track.add(ring(_hertz(score, chord[0]), 3.0, HAMMER), at, pan=-0.3, gain=0.8)
        for step in range(2 * BEATS_PER_CHORD):
            if step % 2 == 0 or rng.random() < 0.5:
                note = chord[rng.integers(len(chord))] + 12 * int(rng.integers(1, 3))
                gain = rng.uniform(0.5, 1.0)
                track.add(
                    ring(_hertz(score, note), 1.8, HAMMER), at + step * beat / 2, pan=0.2, gain=gain
                )
    return track.sound


def guitar(rng: Random, score: Score) -> Floats:
    """Picked chords, string by string."""
    track = Track(score.samples)
    beat = score.beat_seconds
    for at, chord in _chords(score):
        picked = (chord[0], chord[1] + 12, chord[2], chord[0] + 12)
        for step in range(2 * BEATS_PER_CHORD):
            late = at + step * beat / 2 + rng.uniform(0, 0.015)
            tone = ring(_hertz(score, picked[step % 4] + 12), 1.4, PLUCK)
            track.add(tone, late, pan=-0.2 + 0.1 * (step % 4), gain=rng.uniform(0.7, 1.0))
    return track.sound


def bass(rng: Random, score: Score) -> Floats:
    """The root of each chord, on the beat and before it."""
    track = Track(score.samples)
    beat = score.beat_seconds
    for at, chord in _chords(score):
        tone = ring(_hertz(score, chord[0] - 12), 0.9 * beat, PLUCK[:4])
        for step in (0.0, 1.5, 2.0, 3.0, 3.5)[: rng.integers(3, 6)]:
            track.add(tone, at + step * beat)
    return track.sound


def drums(rng: Random, score: Score) -> Floats:
    """Kick on one and three, snare on two and four, hats between."""
    track = Track(score.samples)
    time = clock(0.3)
    kick = edged(glide(45 + 110 * np.exp(-time / 0.03)) * np.exp(-time / 0.09))
    snare = burst(rng, 0.18, band(250, 7000)) + ring(190, 0.18, ((1, 2, 0.5),))
    hat = burst(rng, 0.05, band(6000, 16_000, 4))
    for number, at in enumerate(ticks(score, score.beat_seconds / 2)):
        track.add(hat, at, pan=0.35, gain=0.25 if number % 2 else 0.4)
        if number % 4 == 0 or (number % 8 == 5 and rng.random() < 0.5):
            track.add(kick, at, gain=1.6)
        if number % 4 == 2:
            track.add(snare, at, pan=-0.1, gain=0.5)
    return track.sound
