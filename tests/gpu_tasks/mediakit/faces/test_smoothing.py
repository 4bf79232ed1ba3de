import numpy as np
import pytest

from gpu_tasks.mediakit.faces.smoothing import OneEuro, Smoothing

RATE = 25.0
AS_USUAL = Smoothing()


def smoothed(values: np.ndarray, smoothing: Smoothing = AS_USUAL) -> np.ndarray:
    smooth = OneEuro(RATE, smoothing)
    return np.array([smooth(item) for item in values])


def test_what_stands_still_trembles_less() -> None:
    noise = np.random.default_rng(3).normal(0, 0.002, (200, 5))
    assert smoothed(noise)[20:].std() < 0.6 * noise[20:].std()


def test_what_moves_is_followed() -> None:
    moving = np.arange(50) * 0.02
    assert np.abs(smoothed(moving) - moving)[10:].max() < 0.01


def test_more_promptness_follows_closer() -> None:
    moving = np.arange(50) * 0.02
    lags = [
        np.abs(smoothed(moving, Smoothing(promptness=promptness)) - moving)[-1]
        for promptness in (5.0, 20.0, 80.0)
    ]
    assert lags == sorted(lags, reverse=True)


def test_the_first_value_is_taken_as_it_is() -> None:
    assert OneEuro(RATE, Smoothing())(np.array([3.0, 4.0])) == pytest.approx([3.0, 4.0])


def test_after_a_reset_nothing_of_before_is_left() -> None:
    smooth = OneEuro(RATE, Smoothing())
    smooth(np.array([100.0]))
    smooth(np.array([101.0]))
    smooth.reset()
    assert smooth(np.array([1.0])) == pytest.approx([1.0])


def test_a_constant_stays() -> None:
    assert smoothed(np.full(10, 7.0)) == pytest.approx(7.0)
