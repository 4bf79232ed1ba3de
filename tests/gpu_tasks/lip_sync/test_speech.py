"""The mouth that says a sound."""

from fractions import Fraction

import numpy as np

from gpu_tasks.lip_sync.speech import FLOOR_DB, Curve, measure_openings
from gpu_tasks.mediakit.audio import RATE, Samples
from tests.gpu_tasks.recordings import tone

FRAME_RATE = Fraction(25)


def openings_of(sound: Samples) -> Curve:
    return measure_openings(
        sound, frames=round(sound.size * FRAME_RATE / RATE), frame_rate=FRAME_RATE
    )


def quieter(sound: Samples, decibels: float) -> Samples:
    return (sound * 10 ** (-decibels / 20)).astype(np.int16)


def test_speech_opens_and_closes_the_mouth(short_sound: Samples):
    opening = openings_of(short_sound)
    assert opening.size == 82
    assert opening.max() > 0.9
    assert opening[:3].max() < 0.02  # before the first word
    assert opening[-8:].max() < 0.02  # after the last
    syllables = np.flatnonzero((opening[1:-1] > opening[:-2]) & (opening[1:-1] > opening[2:]))
    assert 8 <= syllables.size <= 14  # "The story starts when she opens the letter."


def test_silence_keeps_the_mouth_closed():
    assert not openings_of(np.zeros(RATE, np.int16)).any()


def test_what_is_below_the_floor_is_silence_and_what_is_above_is_not():
    full = tone(1.0)  # 12 dB below full scale
    assert not openings_of(quieter(full, -FLOOR_DB - 12 + 3)).any()
    assert openings_of(quieter(full, -FLOOR_DB - 12 - 3)).max() > 0.9


def test_how_loud_the_recording_is_makes_no_difference(short_sound: Samples):
    loud, quiet = openings_of(short_sound), openings_of(quieter(short_sound, 12))
    assert np.corrcoef(loud, quiet)[0, 1] > 0.99


def test_hum_and_hiss_alone_move_nothing():
    hum = tone(1.0, 50)
    assert not openings_of(hum)[5:-5].any()  # it begins and ends with a click


def test_a_sound_shorter_than_a_window_has_a_frame():
    assert measure_openings(tone(0.03), frames=1, frame_rate=FRAME_RATE).size == 1
