"""Define the layers of sound as data: beds of noise, and grains that are repeated."""

from math import inf

from gpu_tasks.audio_generation.synthesis import Bed, Grains, Partials

HAMMER: Partials = tuple((n * (1 + 0.0003 * n * n), n**-1.3, n**-0.6) for n in range(1, 9))
"""A piano's string: its partials are a little sharp, and the high ones fade faster."""
PLUCK: Partials = tuple((n, 1 / n, 1 / n) for n in range(1, 11))
BOW: Partials = tuple(
    (n * off, gain / n, inf) for n in range(1, 11) for off, gain in ((1, 1), (1.004, 0.6))
)
"""Several strings together are never quite in tune, which makes the sound move."""
THUD: Partials = ((1, 1, 1), (1.6, 0.5, 0.6))
BELL: Partials = ((0.5, 0.6, 1), (1, 0.8, 0.8), (1.2, 0.6, 0.6), (1.5, 0.4, 0.5), (2, 1, 0.5))
"""Hum, prime, minor third, fifth and nominal of a church bell."""
WHISTLE: Partials = ((1, 1, inf),)
DRONE: Partials = ((1, 1, inf), (1.003, 0.8, inf), (1.498, 0.5, inf), (2.001, 0.3, inf))
CLUSTER: Partials = tuple((n * off, 1 / n, inf) for n in range(1, 6) for off in (1, 1.0595))
"""Two tones a semitone apart."""


def _build_drops(every: float, length: float, low: float, gain: float = 1.0) -> Grains:
    """Return bursts of noise at random, all around."""
    return Grains(every, length, low, 8000, at_random=True, gain=gain, attack=0.0005)


LAYERS: dict[str, tuple[Bed | Grains, ...]] = {
    "rain": (Bed(900, 11_000, -2, 3.0, 0.7), _build_drops(1 / 30, 0.02, 2000)),
    "wind": (Bed(60, 700, -5, 2.5, 0.1),),
    "sea": (Bed(50, 5000, -3, 4.0, 0.05),),
    "stream": (Bed(300, 3500, -2, 1.0, 0.8), _build_drops(1 / 22, 0.05, 600)),
    "fire": (Bed(40, 600, -4, 0.12, 0.3), _build_drops(1 / 14, 0.02, 1000, gain=2.0)),
    "thunder": (
        Bed(25, 150, -4, 3.0, 0.05),
        Grains(12, 6, 25, 500, at_random=True, attack=0.03, gain=15),
    ),
    "birds": (Grains(0.4, 0.1, 2200, 5200, WHISTLE, True, times=(2, 6), attack=0.04, bend=1.4),),
    "crickets": (Grains(0.2, 0.022, 3900, 5000, WHISTLE, True, times=(10, 25), attack=0.01),),
    "city": (Bed(45, 500, -4, 4.0, 0.5), Grains(2.5, 4, 150, 3000, at_random=True, attack=1.0)),
    "crowd": (Bed(250, 2500, -4, 0.14, 0.2), _build_drops(1 / 6, 0.25, 600)),
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
        Grains(0.5, 0.25, 50, 50, THUD, gain=3),
    ),
    "pad": (Grains(2, 2.4, partials=BOW[:8], attack=0.8, octave=0, notes=3),),
    "strings": (Grains(2, 2.4, partials=BOW, attack=0.3, octave=1, notes=3),),
    "piano": (Grains(0.5, 1.5, partials=HAMMER, octave=1),),
    "guitar": (Grains(0.25, 1, partials=PLUCK, octave=1),),
    "bass": (Grains(0.5, 0.4, partials=PLUCK[:4], octave=-1),),
    "drums": (
        Grains(1, 0.25, 110, 110, THUD, bend=0.3, gain=1.6),
        Grains(1, 0.15, 250, 7000, after=0.5, gain=0.4),
        Grains(0.25, 0.05, 6000, 16_000, gain=0.2),
    ),
}
"""The sounds of each layer that a prompt's words can name."""
