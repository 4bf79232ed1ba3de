"""What sounds are made of: beds of shaped noise, and grains, each a tone that rings or a burst."""

from dataclasses import dataclass

import numpy as np

from gpu_tasks.audio_generation.contract import CHANNELS, RATE
from gpu_tasks.audio_generation.wav import Floats

Random = np.random.Generator
Partials = tuple[tuple[float, float, float], ...]
"""Of each partial of a tone the ratio to its pitch, the gain, and how much of the tone's time it
takes to fall by 60 dB: it is held where that is infinite."""
EDGE_SECONDS = 0.003
"""Grains begin and end over so long, or they would click."""
CHORDS = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))
"""I-V-vi-IV, in semitones above the root."""
CHORD_SECONDS = 2.0


def put(sound: Floats, grain: Floats, seconds: float, pan: float) -> None:
    """Add a mono grain to a stereo sound, at equal power from -1 (left) to 1 (right).

    What lies past the end is cut.
    """
    at = round(seconds * RATE)
    grain = grain[: max(0, sound.shape[1] - at)]
    angle = (pan + 1) * np.pi / 4
    sound[:, at : at + grain.size] += np.array([[np.cos(angle)], [np.sin(angle)]]) * grain


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
    size = max(1, min(grain.size // 2, round(seconds * RATE)))
    place = np.arange(grain.size)
    return grain * np.minimum(1, np.minimum(place, place[::-1]) / size)


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

    def play(self, rng: Random, seconds: int, _: float) -> Floats:
        """So many seconds in two channels."""
        samples = seconds * RATE
        sides = [noise(rng, samples, self.low, self.high, self.tilt) for _ in range(CHANNELS)]
        return np.stack(sides) * slow(rng, samples, self.swell_seconds, self.ebb, 1.0)


@dataclass(frozen=True)
class Grains:
    """A short sound again and again, each time a little different: a tone where there are
    partials, else a burst of noise."""

    every: float
    """From one to the next, in seconds; on average where they come at random."""
    length: float
    """In seconds; at most the whole sound's."""
    low: float = 0.0
    high: float = 0.0
    """Hertz: the band of the noise, or the pitches that tones are drawn from."""
    partials: Partials = ()
    at_random: bool = False
    after: float = 0.0
    """When the first begins."""
    times: tuple[int, int] = (1, 1)
    """How often it is played in a row, at least and at most."""
    attack: float = EDGE_SECONDS
    """In seconds; the end takes as long."""
    bend: float = 1.0
    """The factor by which the pitch moves; where they come at random, at most, up or down."""
    gain: float = 1.0
    octave: int | None = None
    """Above the root's: tones are notes of `CHORDS`."""
    notes: int = 1
    """How many of a chord together."""

    def play(self, rng: Random, seconds: int, root_hz: float) -> Floats:
        """So many seconds in two channels; ``root_hz`` is the pitch of octave 0."""
        sound = np.zeros((CHANNELS, seconds * RATE))
        variety, width = (0.4, 0.9) if self.at_random else (0.1, 0.3)
        starts = np.arange(self.after, seconds, self.every)
        for at in moments(rng, seconds, self.every) if self.at_random else starts:
            for hertz in self._pitches(rng, root_hz, at):
                # What is bigger is longer and louder, and as noise also deeper.
                size = rng.lognormal(0.0, variety)
                lasting = min(self.length * size, seconds)
                grain = self.gain * size * self._grain(rng, hertz, lasting, size)
                pan = width * rng.uniform(-1, 1)
                for number in range(rng.integers(*self.times, endpoint=True)):
                    put(sound, grain, at + 1.6 * number * lasting, pan)
        return sound

    def _pitches(self, rng: Random, root_hz: float, at: float) -> list[float]:
        if self.octave is None:
            return [rng.uniform(self.low, self.high)]
        chord, since = divmod(at, CHORD_SECONDS)
        notes = list(CHORDS[int(chord) % len(CHORDS)])
        if since:
            rng.shuffle(notes)
        return [root_hz * 2 ** (self.octave + note / 12) for note in notes[: self.notes]]

    def _grain(self, rng: Random, hertz: float, seconds: float, size: float) -> Floats:
        if self.partials:
            bend = self.bend ** (rng.uniform(-1, 1) if self.at_random else 1)
            return edged(tone(hertz, seconds, self.partials, bend), self.attack)
        return edged(burst(rng, seconds, self.low / size, self.high), self.attack)
