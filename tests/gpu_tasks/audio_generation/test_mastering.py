"""Loudness, peaks and fades."""

from collections.abc import Callable

import numpy as np
import pytest

from gpu_tasks.audio_generation.contract import RATE
from gpu_tasks.audio_generation.mastering import (
    BLOCK,
    CEILING,
    SILENCE_LUFS,
    TARGET_LUFS,
    add_fades,
    master,
    measure_loudness,
    set_loudness,
)
from gpu_tasks.audio_generation.wav import Floats


def tone(hertz: float, gain: float, seconds: float = 3.0) -> Floats:
    time = np.arange(round(seconds * RATE)) / RATE
    return gain * np.stack([np.sin(2 * np.pi * hertz * time)] * 2)


def test_a_full_scale_tone_of_997_hertz_on_one_side_is_at_minus_3():
    # The calibration point of ITU-R BS.1770.
    sound = tone(997, 1.0)
    sound[1] = 0.0
    assert measure_loudness(sound) == pytest.approx(-3.01, abs=0.05)


def test_bass_counts_less_and_treble_more():
    assert (
        measure_loudness(tone(40, 0.1))
        < measure_loudness(tone(997, 0.1))
        < measure_loudness(tone(4000, 0.1))
    )


def test_pauses_do_not_count():
    sound = tone(997, 0.1)
    with_pause = np.concatenate([sound, np.zeros((2, 5 * RATE))], axis=1)
    assert measure_loudness(with_pause) == pytest.approx(measure_loudness(sound), abs=0.3)


@pytest.mark.parametrize("make", [np.zeros, lambda shape: np.full(shape, 1e-7)])
def test_silence_stays_silent(make: Callable[[tuple[int, int]], Floats]):
    sound = make((2, RATE))
    assert measure_loudness(sound) == SILENCE_LUFS
    assert np.array_equal(master(sound), sound)


def test_the_shortest_sound_that_has_a_loudness():
    assert measure_loudness(tone(997, 0.1, BLOCK / RATE)) == pytest.approx(-20.0, abs=0.3)


@pytest.mark.parametrize("gain", [0.001, 0.1, 20.0])
def test_any_sound_is_brought_to_the_target(gain: float):
    assert measure_loudness(master(tone(440, gain))) == pytest.approx(TARGET_LUFS, abs=0.05)


def test_a_sound_can_be_brought_to_any_loudness():
    assert measure_loudness(set_loudness(tone(440, 0.5), -31.0)) == pytest.approx(-31.0, abs=0.01)


def test_peaks_are_held_without_distorting_what_is_between():
    sound = tone(440, 0.05)
    sound[:, RATE] = 30.0
    finished = master(sound)
    assert np.abs(finished).max() <= CEILING
    calm = finished[0, 2 * RATE :] / sound[0, 2 * RATE :].clip(1e-9, None)
    calm = calm[sound[0, 2 * RATE :] > 0.01]
    assert np.ptp(calm) < 1e-6


def test_fades_are_smooth_and_leave_the_middle():
    sound = add_fades(np.ones((2, RATE)), 0.25)
    edge = RATE // 4
    assert sound[0, 0] == sound[1, -1] == 0.0
    assert (np.diff(sound[0, :edge]) >= 0).all()
    assert (sound[:, edge : RATE - edge] == 1.0).all()


def test_fades_longer_than_the_sound_meet_in_the_middle():
    sound = add_fades(np.ones((2, 100)), 10.0)
    assert sound[0].argmax() in (49, 50)
