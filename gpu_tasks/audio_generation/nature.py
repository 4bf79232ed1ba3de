"""Layers that need no people: weather, water, fire and animals."""

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
    glide,
    moments,
    noise,
    sloped,
    slow,
    wide_noise,
)


def rain(rng: Random, score: Score) -> Floats:
    """A bright hiss all around, and single drops in it."""
    track = Track(score.samples)
    track.sound += wide_noise(rng, score.samples, sloped(-2, band(900, 11_000)))
    track.sound *= slow(rng, score.samples, 3.0, 0.8, 1.2)
    drops = [burst(rng, 0.02, band(low, 2.5 * low)) for low in (1500, 2400, 3500, 5000)]
    for at in moments(rng, score, 30):
        pan, gain = rng.uniform(-1, 1), rng.lognormal(0.0, 0.6)
        track.add(drops[rng.integers(len(drops))], at, pan=pan, gain=gain)
    return track.sound


def wind(rng: Random, score: Score) -> Floats:
    """Low noise in gusts, with a whistle that comes with the strong ones."""
    gusts = slow(rng, score.samples, 2.5, 0.15, 1.0) ** 1.5
    body = wide_noise(rng, score.samples, sloped(-5, band(60, 700))) * gusts
    howl = wide_noise(rng, score.samples, band(380, 460, 4)) * gusts**3
    return body + 0.35 * howl * slow(rng, score.samples, 1.5, 0.2, 1.0)


def sea(rng: Random, score: Score) -> Floats:
    """Waves that swell, break with a hiss and run out, each of another length."""
    body = wide_noise(rng, score.samples, sloped(-4, band(50, 1200)))
    hiss = wide_noise(rng, score.samples, band(1500, 8000))
    swell, foam = np.full(score.samples, 0.15), np.zeros(score.samples)
    at = -rng.uniform(0, 4)
    while at < score.seconds:
        length = rng.uniform(6, 10)
        _break(swell, foam, at, length, rng.uniform(0.6, 1.0))
        at += 0.8 * length
    return body * swell + 0.4 * hiss * foam


def _break(swell: Floats, foam: Floats, at: float, length: float, height: float) -> None:
    """Add one wave that begins at ``at`` seconds, which may lie before the sound."""
    place = (np.arange(swell.size) / RATE - at) / length
    inside = (place > 0) & (place < 1)
    place = place[inside]
    rising = np.minimum(place / 0.4, 1) ** 2
    swell[inside] += height * rising * np.minimum((1 - place) / 0.6, 1)
    foam[inside] += height * np.clip((place - 0.3) / 0.12, 0, 1) * (1 - place) ** 2


def stream(rng: Random, score: Score) -> Floats:
    """Running water: a soft rush, and bubbles that rise in pitch."""
    track = Track(score.samples)
    track.sound += 0.5 * wide_noise(rng, score.samples, sloped(-2, band(300, 3500)))
    for at in moments(rng, score, 22):
        time = clock(rng.uniform(0.02, 0.08))
        low = rng.uniform(350, 1100)
        bubble = glide(low * (1 + time / time[-1])) * np.exp(-3 * time / time[-1])
        track.add(edged(bubble), at, pan=rng.uniform(-0.8, 0.8), gain=rng.lognormal(-0.3, 0.5))
    return track.sound


def fire(rng: Random, score: Score) -> Floats:
    """A low flutter and crackles, some of them loud."""
    track = Track(score.samples)
    flutter = slow(rng, score.samples, 0.12, 0.3, 1.0)
    track.sound += 0.5 * wide_noise(rng, score.samples, sloped(-4, band(40, 600))) * flutter
    for at in moments(rng, score, 14):
        crackle = burst(rng, rng.uniform(0.004, 0.03), band(rng.uniform(700, 3000), 9000))
        track.add(crackle, at, pan=rng.uniform(-0.6, 0.6), gain=min(6.0, rng.lognormal(0.2, 0.8)))
    return track.sound


def thunder(rng: Random, score: Score) -> Floats:
    """Claps that roll away, the first of them soon."""
    track = Track(score.samples)
    at = rng.uniform(0.05, 0.15) * min(score.seconds, 10)
    while at < score.seconds:
        time = clock(rng.uniform(4, 7))
        roll = slow(rng, time.size, 0.25, 0.2, 1.0) * np.exp(-7 * time / time[-1])
        rumble = noise(rng, time.size, sloped(-5, band(25, 350))) * roll
        pan = rng.uniform(-0.7, 0.7)
        track.add(edged(rumble, 0.05), at, pan=pan)
        track.add(burst(rng, 0.9, sloped(-4, band(60, 2500))), at, pan=pan, gain=0.5)
        at += rng.uniform(9, 15)
    return track.sound


def birds(rng: Random, score: Score) -> Floats:
    """Several birds, each with its pitch, its place and its phrase."""
    track = Track(score.samples)
    for _ in range(4):
        pitch, pan = rng.uniform(2200, 5200), rng.uniform(-0.9, 0.9)
        notes = [_note(rng, pitch) for _ in range(rng.integers(2, 6))]
        at = rng.uniform(0, min(1.5, score.seconds / 4))
        while at < score.seconds:
            at = _phrase(track, notes, at, pan) + rng.exponential(2.5) + 0.6
    return track.sound


def _note(rng: Random, pitch: float) -> Floats:
    time = clock(rng.uniform(0.05, 0.16))
    start, end = pitch * rng.uniform(0.8, 1.25, 2)
    trill = 1 + 0.04 * np.sin(2 * np.pi * rng.uniform(15, 40) * time)
    return edged(glide(np.linspace(start, end, time.size) * trill), 0.02)


def _phrase(track: Track, notes: list[Floats], at: float, pan: float) -> float:
    for note in notes:
        track.add(note, at, pan=pan)
        at += note.size / RATE + 0.04
    return at


def crickets(rng: Random, score: Score) -> Floats:
    """Insects that chirp in trains of pulses, not quite together."""
    track = Track(score.samples)
    time = np.arange(score.samples) / RATE
    for _ in range(4):
        pitch, rate = rng.uniform(3900, 5000), rng.uniform(22, 30)
        pulses = np.maximum(0, np.sin(2 * np.pi * (rate * time + rng.random()))) ** 2
        trains = np.clip(
            6 * np.sin(2 * np.pi * (rng.uniform(0.8, 1.4) * time + rng.random())), 0, 1
        )
        track.add(np.sin(2 * np.pi * pitch * time) * pulses * trains, 0, pan=rng.uniform(-1, 1))
    return track.sound
