"""The layers: when grains are played, and at which pitch."""

import numpy as np
import pytest

from gpu_tasks.audio_generation.contract import RATE
from gpu_tasks.audio_generation.layers import PLUCK, THUD
from gpu_tasks.audio_generation.synthesis import Grains
from gpu_tasks.audio_generation.wav import Floats


def played(grains: Grains) -> Floats:
    return grains.play(np.random.default_rng(1), 4, 220.0).sum(axis=0)


@pytest.mark.parametrize(
    ("grains", "starts"),
    [
        (Grains(1, 0.1, 100, 100, THUD), [0, 1, 2, 3]),
        (Grains(1, 0.1, 100, 100, THUD, after=0.5), [0.5, 1.5, 2.5, 3.5]),
        (Grains(1.5, 0.1, 100, 100, THUD, after=0.5), [0.5, 2, 3.5]),
        (Grains(60, 0.1, 100, 100, THUD, times=(3, 3)), [0, 0.16, 0.32]),
    ],
)
def test_grains_keep_their_rhythm(grains: Grains, starts: list[float]):
    heard = np.abs(played(grains)).reshape(-1, RATE // 50).max(axis=1) > 0.05
    result = np.flatnonzero(heard & ~np.roll(heard, 1)) / 50
    assert result == pytest.approx(starts, abs=0.08)


def test_a_chord_has_its_notes():
    chord = Grains(100, 4, partials=PLUCK[:1], octave=0, notes=3)
    power = np.abs(np.fft.rfft(played(chord)))
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    heard = [power[np.abs(hertz - 220 * 2 ** (note / 12)) < 3].max() for note in range(12)]
    assert set(np.argsort(heard)[-3:]) == {0, 4, 7}
