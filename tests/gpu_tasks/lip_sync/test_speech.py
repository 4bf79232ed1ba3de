"""The lips that say a sound."""

from fractions import Fraction

import numpy as np

from gpu_tasks.lip_sync.speech import FLOOR_DB, Lips, lips
from gpu_tasks.mediakit.audio import RATE, Samples
from tests.gpu_tasks.recordings import tone

FRAME_RATE = Fraction(25)


def lips_of(sound: Samples) -> Lips:
    return lips(sound, frames=round(sound.size * FRAME_RATE / RATE), frame_rate=FRAME_RATE)


def quieter(sound: Samples, decibels: float) -> Samples:
    return (sound * 10 ** (-decibels / 20)).astype(np.int16)


def test_speech_opens_and_closes_the_mouth(short_sound: Samples):
    opening = lips_of(short_sound).opening
    assert opening.size == 82
    assert opening.max() > 0.9
    assert opening[:3].max() < 0.02  # before the first word
    assert opening[-8:].max() < 0.02  # after the last
    syllables = np.flatnonzero((opening[1:-1] > opening[:-2]) & (opening[1:-1] > opening[2:]))
    assert 8 <= syllables.size <= 14  # "The story starts when she opens the letter."


def test_silence_keeps_the_mouth_closed():
    silent = lips_of(np.zeros(RATE, np.int16))
    assert not silent.opening.any()
    assert not silent.spread.any()


def test_what_is_below_the_floor_is_silence_and_what_is_above_is_not():
    full = tone(1.0)  # 12 dB below full scale
    assert not lips_of(quieter(full, -FLOOR_DB - 12 + 3)).opening.any()
    assert lips_of(quieter(full, -FLOOR_DB - 12 - 3)).opening.max() > 0.9


def test_how_loud_the_recording_is_makes_no_difference(short_sound: Samples):
    loud, quiet = lips_of(short_sound).opening, lips_of(quieter(short_sound, 12)).opening
    assert np.corrcoef(loud, quiet)[0, 1] > 0.99


def test_low_sounds_round_the_lips_and_high_ones_spread_them():
    sound = np.concatenate([tone(1.0, 400), tone(1.0, 2_500)])
    spread = lips_of(sound).spread
    assert spread[5:20].max() < -0.5
    assert spread[30:45].min() > 0.5
    assert np.abs(spread).max() <= 1


def test_hum_and_hiss_alone_move_nothing():
    hum = tone(1.0, 50)
    assert not lips_of(hum).opening[5:-5].any()  # it begins and ends with a click


def test_a_sound_shorter_than_a_window_has_a_frame():
    assert lips(tone(0.03), frames=1, frame_rate=FRAME_RATE).opening.size == 1
