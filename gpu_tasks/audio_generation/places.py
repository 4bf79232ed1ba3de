"""Layers that people make: streets, voices, machines, steps, bells and clocks."""

from collections.abc import Callable

import numpy as np

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
    moments,
    noise,
    ring,
    sawtooth,
    sloped,
    slow,
    ticks,
    wide_noise,
)

BELL = (
    (0.5, 0.6, 1.0), (1.0, 0.8, 0.8), (1.2, 0.6, 0.6), (1.5, 0.4, 0.5), (2.0, 1.0, 0.5),
    (2.67, 0.4, 0.3), (3.0, 0.5, 0.25), (4.1, 0.3, 0.15),
)  # fmt: skip
"""Hum, prime, minor third, fifth, nominal and above: the partials of a church bell."""
HEART_RATE = 66
FORMANTS = ((500, 1500), (350, 2000), (650, 1100), (450, 900), (300, 2300))
"""The two lowest resonances of some vowels, in hertz."""


def city(rng: Random, score: Score) -> Floats:
    """A distant hum, cars that pass by, and now and then a horn."""
    track = Track(score.samples)
    track.sound += 0.6 * wide_noise(rng, score.samples, sloped(-4, band(45, 500)))
    for at in moments(rng, score, 0.35):
        _pass_by(rng, track, at)
    for at in moments(rng, score, 0.06):
        time = clock(rng.uniform(0.2, 0.6))
        horn = filtered(sawtooth(np.full(time.size, rng.uniform(330, 420))), band(300, 1800))
        track.add(edged(horn, 0.02), at, pan=rng.uniform(-0.8, 0.8), gain=0.25)
    return track.sound


def _pass_by(rng: Random, track: Track, at: float) -> None:
    """A car from one side to the other."""
    time = clock(rng.uniform(3, 5))
    place = 2 * time / time[-1] - 1
    loudness = np.exp(-6 * place**2)
    tyres = noise(rng, time.size, sloped(-3, band(150, 2500))) * loudness
    direction = rng.choice([-1.0, 1.0])
    towards = (direction * place + 1) / 2
    track.add(tyres * np.sqrt(1 - towards), at - 1.0, pan=-1)
    track.add(tyres * np.sqrt(towards), at - 1.0, pan=1)


def crowd(rng: Random, score: Score) -> Floats:
    """Many voices at once: vowels in syllables, none of them words."""
    track = Track(score.samples)
    for _ in range(8):
        pitch = rng.uniform(95, 230) * slow(rng, score.samples, 0.35, 0.85, 1.15)
        syllables = np.clip(slow(rng, score.samples, 0.11, -0.7, 1.0), 0, 1)
        talking = np.clip(slow(rng, score.samples, 1.6, -0.4, 1.6), 0, 1)
        voice = filtered(sawtooth(pitch), _vowel(*FORMANTS[rng.integers(len(FORMANTS))]))
        track.add(voice * syllables * talking, 0, pan=rng.uniform(-0.9, 0.9))
    track.sound += 0.15 * wide_noise(rng, score.samples, band(250, 2500))
    return track.sound


def _vowel(first: float, second: float) -> Callable[[Floats], Floats]:
    lower, upper = band(0.85 * first, 1.15 * first, 3), band(0.9 * second, 1.1 * second, 3)
    return lambda hertz: lower(hertz) + 0.35 * upper(hertz) + 0.02 * band(100, 3000)(hertz)


def engine(rng: Random, score: Score) -> Floats:
    """A motor that holds its speed, almost."""
    speed = rng.uniform(32, 48) * slow(rng, score.samples, 2.0, 0.95, 1.05)
    body = filtered(sawtooth(speed) + 0.5 * sawtooth(speed / 2), sloped(-4, band(30, 900)))
    fan = wide_noise(rng, score.samples, sloped(-3, band(80, 1500)))
    return body + 0.35 * fan


def heartbeat(rng: Random, score: Score) -> Floats:
    """Lub-dub."""
    del rng
    track = Track(score.samples)
    first = ring(48, 0.28, ((1, 1, 1), (1.6, 0.5, 0.6)))
    second = ring(62, 0.2, ((1, 0.7, 1), (1.6, 0.3, 0.6)))
    for at in ticks(score, 60 / HEART_RATE):
        track.add(first, at)
        track.add(second, at + 0.3)
    return track.sound


def footsteps(rng: Random, score: Score) -> Floats:
    """Left, right: a thud and the grit under it."""
    track = Track(score.samples)
    for number, at in enumerate(ticks(score, 0.55)):
        pan = 0.2 if number % 2 else -0.2
        late = at + rng.uniform(0, 0.03)
        track.add(ring(rng.uniform(70, 90), 0.12, ((1, 1, 1), (2.3, 0.4, 0.5))), late, pan=pan)
        track.add(burst(rng, 0.09, band(900, 5000)), late + 0.02, pan=pan, gain=0.25)
    return track.sound


def bells(rng: Random, score: Score) -> Floats:
    """A church bell every few seconds, and its echo."""
    track = Track(score.samples)
    strike = ring(rng.uniform(180, 260), 6.0, BELL)
    for at in ticks(score, rng.uniform(2.2, 3.2)):
        track.add(strike, at, pan=-0.15)
        track.add(strike, at + 0.25, pan=0.6, gain=0.2)
    return track.sound


def ticking(rng: Random, score: Score) -> Floats:
    """A clock: tick, tock."""
    track = Track(score.samples)
    sounds = [burst(rng, 0.025, band(low, 3 * low)) for low in (2600, 2000)]
    for number, at in enumerate(ticks(score, 0.5)):
        track.add(sounds[number % 2], at, pan=0.1)
    return track.sound
