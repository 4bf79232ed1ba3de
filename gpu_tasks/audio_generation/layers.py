"""The layers of a sound, described by data: beds of noise, and grains that are played again."""

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from gpu_tasks.audio_generation.contract import CHANNELS, RATE
from gpu_tasks.audio_generation.synthesis import (
    EDGE_SECONDS,
    Floats,
    Partials,
    Random,
    Track,
    burst,
    edged,
    moments,
    noise,
    slow,
    tone,
)

CHORDS = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))
MINOR_CHORDS = ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17))
"""I-V-vi-IV and i-VI-III-VII, in semitones above the root."""
BEATS_PER_CHORD = 4
HAMMER: Partials = tuple((n * (1 + 0.0003 * n * n), n**-1.3, n**-0.6) for n in range(1, 9))
"""A piano's string: its partials are a little sharp, and the high ones are short."""
PLUCK: Partials = tuple((n, 1 / n, 1 / n) for n in range(1, 11))
BOW: Partials = tuple(
    (n * off, gain / n, inf) for n in range(1, 11) for off, gain in ((1, 1), (1.004, 0.6))
)
"""Several that play together are never quite in tune, which makes the sound move."""
THUD: Partials = ((1, 1, 1), (1.6, 0.5, 0.6))
BELL: Partials = ((0.5, 0.6, 1), (1, 0.8, 0.8), (1.2, 0.6, 0.6), (1.5, 0.4, 0.5), (2, 1, 0.5))
"""Hum, prime, minor third, fifth and nominal of a church bell."""
WHISTLE: Partials = ((1, 1, inf),)
DRONE: Partials = ((1, 1, inf), (1.003, 0.8, inf), (1.498, 0.5, inf), (2.001, 0.3, inf))
CLUSTER: Partials = tuple((n * off, 1 / n, inf) for n in range(1, 6) for off in (1, 1.0595))
"""Two tones a semitone apart."""


@dataclass(frozen=True)
class Score:
    """What all layers of one sound share."""

    seconds: int
    beat_seconds: float
    minor: bool
    root_hz: float


@dataclass(frozen=True)
class Bed:
    """Noise all around that swells and ebbs."""

    low: float
    high: float
    """Hertz."""
    tilt: float
    """Decibels an octave."""
    swell_seconds: float
    ebb: float
    """The least level, where 1 is the most."""

    def play(self, rng: Random, score: Score) -> Floats:
        samples = score.seconds * RATE
        sides = [noise(rng, samples, self.low, self.high, self.tilt) for _ in range(CHANNELS)]
        return np.stack(sides) * slow(rng, samples, self.swell_seconds, self.ebb, 1.0)


@dataclass(frozen=True)
class Grains:
    """A short sound again and again, each time a little different: a tone where there are
    partials, else a burst of noise."""

    every: float
    """From one to the next, in seconds, or in beats; on average where the rhythm is random."""
    length: float
    """In the same unit, as ``after`` is; at most the whole sound's."""
    low: float = 0.0
    high: float = 0.0
    """Hertz: the band of the noise, or the pitches that tones are drawn from."""
    partials: Partials = ()
    rhythm: Literal["seconds", "beats", "random"] = "seconds"
    after: float = 0.0
    """When the first begins."""
    times: tuple[int, int] = (1, 1)
    """How often it is played in a row, at least and at most."""
    attack: float = EDGE_SECONDS
    """In seconds; the end takes as long."""
    bend: float = 1.0
    """The factor by which the pitch moves; where the rhythm is random, at most, up or down."""
    gain: float = 1.0
    octave: int | None = None
    """Above the root's: tones are notes of the score's chords."""
    notes: int = 1
    """How many of a chord together."""
    chance: float = 1.0
    """Of being played at all; where a chord begins, its lowest notes always are."""

    def play(self, rng: Random, score: Score) -> Floats:
        track = Track(score.seconds * RATE)
        unit = score.beat_seconds if self.rhythm == "beats" else 1.0
        variety, width = (0.4, 0.9) if self.rhythm == "random" else (0.1, 0.3)
        for at in self._starts(rng, score, unit):
            for hertz in self._pitches(rng, score, at):
                # What is bigger is longer and louder, and as noise also deeper.
                size = rng.lognormal(0.0, variety)
                seconds = min(self.length * unit * size, score.seconds)
                grain = self._grain(rng, hertz, seconds, size)
                pan = width * rng.uniform(-1, 1)
                for number in range(rng.integers(*self.times, endpoint=True)):
                    late = 1.6 * number * seconds
                    track.add(grain, at + late, pan=pan, gain=self.gain * size)
        return track.sound

    def _starts(self, rng: Random, score: Score, unit: float) -> Floats:
        if self.rhythm == "random":
            return moments(rng, score.seconds, self.every)
        return np.arange(self.after * unit, score.seconds, self.every * unit)

    def _pitches(self, rng: Random, score: Score, at: float) -> list[float]:
        if self.octave is None:
            return [rng.uniform(self.low, self.high)]
        chords = MINOR_CHORDS if score.minor else CHORDS
        bar, beat = divmod(round(at / score.beat_seconds, 3), BEATS_PER_CHORD)
        notes = list(chords[int(bar) % len(chords)])
        if beat:
            rng.shuffle(notes)
        count = self.notes if not beat or rng.random() < self.chance else 0
        return [score.root_hz * 2 ** (self.octave + note / 12) for note in notes[:count]]

    def _grain(self, rng: Random, hertz: float, seconds: float, size: float) -> Floats:
        if self.partials:
            bend = self.bend ** (rng.uniform(-1, 1) if self.rhythm == "random" else 1)
            return edged(tone(hertz, seconds, self.partials, bend), self.attack)
        return edged(burst(rng, seconds, self.low / size, self.high), self.attack)


def _drops(every: float, length: float, low: float, gain: float = 1.0) -> Grains:
    """Bursts of noise at random, all around."""
    return Grains(every, length, low, 8000, rhythm="random", gain=gain, attack=0.0005)


LAYERS: dict[str, tuple[Bed | Grains, ...]] = {
    "rain": (Bed(900, 11_000, -2, 3.0, 0.7), _drops(1 / 30, 0.02, 2000)),
    "wind": (Bed(60, 700, -5, 2.5, 0.1),),
    "sea": (Bed(50, 5000, -3, 4.0, 0.05),),
    "stream": (Bed(300, 3500, -2, 1.0, 0.8), _drops(1 / 22, 0.05, 600)),
    "fire": (Bed(40, 600, -4, 0.12, 0.3), _drops(1 / 14, 0.02, 1000, gain=2.0)),
    "thunder": (
        Bed(25, 150, -4, 3.0, 0.05),
        Grains(12, 6, 25, 500, rhythm="random", attack=0.03, gain=15),
    ),
    "birds": (
        Grains(0.4, 0.1, 2200, 5200, WHISTLE, "random", times=(2, 6), attack=0.04, bend=1.4),
    ),
    "crickets": (Grains(0.2, 0.022, 3900, 5000, WHISTLE, "random", times=(10, 25), attack=0.01),),
    "city": (Bed(45, 500, -4, 4.0, 0.5), Grains(2.5, 4, 150, 3000, rhythm="random", attack=1.0)),
    "crowd": (Bed(250, 2500, -4, 0.14, 0.2), _drops(1 / 6, 0.25, 600)),
    "engine": (Bed(80, 1500, -3, 2.0, 0.8), Grains(1 / 36, 0.06, 60, 90, THUD, gain=4)),
    "heartbeat": (
        Grains(0.9, 0.28, 48, 48, THUD),
        Grains(0.9, 0.2, 62, 62, THUD, after=0.3, gain=0.7),
    ),
    "footsteps": (Grains(0.55, 0.12, 70, 90, THUD), Grains(0.55, 0.05, 1500, 4000, gain=0.2)),
    "bells": (Grains(2.6, 6, 220, 220, BELL),),
    "clock": (Grains(1, 0.03, 2600, 2600, THUD), Grains(1, 0.03, 2000, 2000, THUD, after=0.5)),
    "drone": (Grains(60, inf, partials=DRONE, octave=-1),),
    "tension": (
        Grains(60, inf, partials=CLUSTER, octave=-1),
        Grains(1, 0.5, 50, 50, THUD, "beats", gain=3),
    ),
    "pad": (Grains(4, 4.8, partials=BOW[:8], rhythm="beats", attack=0.8, octave=0, notes=3),),
    "strings": (Grains(4, 4.8, partials=BOW, rhythm="beats", attack=0.3, octave=1, notes=3),),
    "piano": (Grains(0.5, 3, partials=HAMMER, rhythm="beats", octave=1, chance=0.7),),
    "guitar": (Grains(0.5, 2, partials=PLUCK, rhythm="beats", octave=1),),
    "bass": (Grains(0.5, 0.8, partials=PLUCK[:4], rhythm="beats", octave=-1, chance=0.4),),
    "drums": (
        Grains(2, 0.5, 110, 110, THUD, "beats", bend=0.3, gain=1.6),
        Grains(2, 0.3, 250, 7000, rhythm="beats", after=1, gain=0.4),
        Grains(0.5, 0.1, 6000, 16_000, rhythm="beats", gain=0.2),
    ),
}
"""What is played for each layer that a prompt's words call for."""
