"""Quiet speech is lifted, and nothing else."""

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE, Block, Samples
from gpu_tasks.mediakit.loudness import MAX_GAIN_DB, Meter, amplify_if_quiet
from tests.gpu_tasks.recordings import INTERVIEW, SHORT, sound_of


def at_level(sound: Samples, level_db: float) -> Samples:
    """Return the sound at a level under full scale, in the mean of all of it."""
    power = float(np.sqrt((sound.astype(np.float64) ** 2).mean())) / 32768
    return np.rint(sound * (10 ** (level_db / 20) / power)).astype(np.int16)


def gain_db(sound: Samples, rate: int = RATE) -> float:
    meter = Meter(rate)
    for part in np.array_split(sound, 7):
        meter.measure(part)
    return float(20 * np.log10(meter.gain))


@pytest.mark.parametrize("level_db", [-46, -60])
@pytest.mark.parametrize("recording", [SHORT, INTERVIEW])
def test_quiet_speech_is_lifted_to_where_speech_is(recording, level_db):
    quiet = at_level(sound_of(recording), level_db)
    assert gain_db(quiet) == pytest.approx(-25 - level_db, abs=8)
    [louder] = amplify_if_quiet([Block(0, quiet, 1.0)])
    assert gain_db(louder.samples) == 0
    assert np.abs(louder.samples.astype(int)).max() < 32767


@pytest.mark.parametrize("recording", [SHORT, INTERVIEW])
def test_speech_of_the_usual_loudness_is_left_as_it_is(recording):
    sound = sound_of(recording)
    assert gain_db(sound) == 0
    assert np.array_equal(amplify_if_quiet([Block(0, sound, 1.0)])[0].samples, sound)


def test_there_is_a_bound_to_it():
    assert gain_db(at_level(sound_of(INTERVIEW), -72)) == pytest.approx(MAX_GAIN_DB)


@pytest.mark.parametrize("level_db", [-46, -60, -75])
@pytest.mark.parametrize("padded", [False, True])
def test_noise_stays_noise(level_db, padded):
    noise = at_level(
        (np.random.default_rng(1).normal(0, 2000, 10 * RATE)).astype(np.int16), level_db
    )
    nothing = np.zeros(RATE * padded, np.int16)
    assert gain_db(np.concatenate([nothing, noise, nothing])) == 0


def test_silence_is_silent_and_a_click_is_not():
    silent, click = Meter(), Meter()
    silent.measure(np.zeros(RATE, np.int16))
    click.measure(np.r_[np.zeros(RATE, np.int16), np.full(480, 3000, np.int16)])
    assert silent.is_silent
    assert silent.gain == 1
    assert not click.is_silent
