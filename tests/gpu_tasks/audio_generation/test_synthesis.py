"""The parts that sounds are made of."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.audio_generation import wav
from gpu_tasks.audio_generation.contract import RATE
from gpu_tasks.audio_generation.synthesis import (
    add_grain,
    build_burst,
    build_noise,
    build_slow_curve,
    build_tone,
    choose_moments,
    fade_edges,
)
from gpu_tasks.audio_generation.wav import Floats
from tests.gpu_tasks.audio_generation.calls import samples_of


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def share_between(sound: Floats, low: float, high: float) -> float:
    """How much of the power lies between two frequencies."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(sound.size, 1 / RATE)
    return float(power[(hertz >= low) & (hertz <= high)].sum() / power.sum())


@pytest.mark.parametrize(("low", "high"), [(100, 400), (1000, 2000), (5000, 12_000)])
def test_noise_has_unit_power_in_its_band(rng: np.random.Generator, low: float, high: float):
    sound = build_noise(rng, RATE, low, high)
    assert np.mean(sound**2) == pytest.approx(1.0)
    assert share_between(sound, 0.8 * low, 1.25 * high) > 0.9


def test_a_tilt_is_so_many_decibels_an_octave(rng: np.random.Generator):
    sound = build_noise(rng, 4 * RATE, 1, 1e6, tilt=-6)
    # A quarter of the density in an octave that is twice as wide.
    power = [share_between(sound, low, 2 * low) for low in (400, 800, 1600)]
    assert power[0] / power[1] == pytest.approx(2, rel=0.2)
    assert power[1] / power[2] == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 1.0])
def test_panning_keeps_the_power(pan: float):
    sound = np.zeros((2, 1))
    add_grain(sound, np.ones(1), 0.0, pan)
    [left], [right] = sound
    assert left**2 + right**2 == pytest.approx(1.0)
    assert np.sign(right - left) == np.sign(pan) or abs(right - left) < 1e-9


def test_a_slow_curve_is_smooth_and_stays_between(rng: np.random.Generator):
    curve = build_slow_curve(rng, 5 * RATE, 0.5, 0.2, 0.9)
    assert curve.shape == (5 * RATE,)
    assert 0.2 <= curve.min() < curve.max() <= 0.9
    assert np.abs(np.diff(curve)).max() < 0.7 * np.pi / 2 / (0.5 * RATE) * 1.01


def test_a_grain_is_put_at_its_time_and_cut_at_the_end():
    sound = np.zeros((2, RATE))
    add_grain(sound, np.full(100, 2.0), 0.5, -1)
    add_grain(sound, np.ones(RATE), 0.9, 0)
    add_grain(sound, np.ones(10), 5.0, 0)
    assert sound[0, RATE // 2] == pytest.approx(2.0)
    assert sound[1, RATE // 2] == pytest.approx(0.0)
    assert np.count_nonzero(sound[1]) == pytest.approx(RATE // 10, abs=101)


@pytest.mark.parametrize("size", [1, 2, 50, 1000])
def test_edges_are_soft_whatever_the_size(size: int):
    grain = fade_edges(np.ones(size))
    assert grain.shape == (size,)
    assert size < 2 or grain[0] == grain[-1] == 0.0


@pytest.mark.parametrize(("bend", "low", "high"), [(1.0, 990, 1010), (2.0, 990, 2010)])
def test_a_tone_has_its_pitch_and_bends_from_there(bend: float, low: float, high: float):
    steady = build_tone(1000, 1.0, ((1, 1, np.inf),), bend)
    assert share_between(steady, low, high) > 0.99
    assert share_between(steady[-RATE // 10 :], 0.9 * 1000 * bend, 1.1 * 1000 * bend) > 0.9


def test_a_struck_tone_dies_away_and_has_no_partials_that_cannot_be_heard():
    sound = build_tone(8000, 1.0, ((1, 1, 1), (4, 1, 1)))
    assert share_between(sound, 7900, 8100) > 0.95
    assert np.abs(sound[-RATE // 10 :]).max() < 0.01 * np.abs(sound).max()


def test_a_burst_is_loud_first(rng: np.random.Generator):
    sound = build_burst(rng, 0.2, 100, 5000)
    first, last = np.std(sound[: sound.size // 4]), np.std(sound[-sound.size // 4 :])
    assert first > 20 * last


@pytest.mark.parametrize(("every", "least", "maximum"), [(np.inf, 1, 1), (0.2, 25, 80)])
def test_random_moments_are_in_order_and_never_none(
    rng: np.random.Generator, every: float, least: int, maximum: int
):
    times = list(choose_moments(rng, 10, every))
    assert least <= len(times) <= maximum
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 10


@pytest.mark.parametrize("samples", [1, RATE - 1, RATE, RATE + 1])
def test_every_sample_is_written_and_none_wraps_around(tmp_path: Path, samples: int):
    reports: list[float] = []
    sound = np.stack([np.full(samples, 2.0), np.full(samples, -2.0)])
    wav.write(tmp_path / "sound.wav", sound, reports.append)
    written = samples_of(tmp_path / "sound.wav")
    assert written.shape == (2, samples)
    assert (written == [[1.0], [-1.0]]).all()
    assert reports[-1] == 1.0
