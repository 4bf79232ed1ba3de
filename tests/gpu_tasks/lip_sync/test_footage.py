"""How films are made as long as a recording."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.lip_sync.contract import MAX_RATE, MAX_SECONDS, MIN_RATE
from gpu_tasks.lip_sync.footage import _read_recording, choose_rate, get_source_index
from gpu_tasks.lip_sync.speech import measure_openings
from gpu_tasks.mediakit.audio import RATE
from tests.gpu_tasks.mediakit.test_loudness import at_level
from tests.gpu_tasks.recordings import SHORT, sound_of, tone, write_sound


def test_frames_go_back_and_forth_and_none_stands_still():
    assert [get_source_index(index, 4) for index in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]


def test_two_frames_take_turns_and_one_is_all_there_is():
    assert [get_source_index(index, 2) for index in range(5)] == [0, 1, 0, 1, 0]
    assert [get_source_index(index, 1) for index in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("value", "used"),
    [
        (Fraction(25), Fraction(25)),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        (Fraction(60000, 1001), Fraction(30000, 1001)),
        (Fraction(50), Fraction(25)),
        (Fraction(MAX_RATE), Fraction(MAX_RATE)),
        (Fraction(MAX_RATE) + 1, Fraction(31, 2)),
        (Fraction(MIN_RATE), Fraction(MIN_RATE)),
        (Fraction(MIN_RATE) - 1, Fraction(25)),
        (Fraction(1), Fraction(25)),
    ],
)
def test_a_frame_rate_is_kept_or_divided(value: Fraction, used: Fraction):
    assert choose_rate(value) == used


def test_a_recording_as_long_as_it_may_be_is_read_whole(tmp_path: Path):
    longest = np.zeros(MAX_SECONDS * RATE, np.int16)
    path = write_sound(tmp_path / "long.flac", "flac", longest, rate=RATE, sample_format="s16")
    assert _read_recording(path).size == longest.size


def test_lips_move_for_quiet_speech_as_for_loud(tmp_path: Path):
    loud = sound_of(SHORT)
    shapes = []
    for level_db in (-22, -60):
        quiet = at_level(loud, level_db)
        path = write_sound(tmp_path / "said.wav", "pcm_s16le", quiet, rate=RATE)
        shapes.append(measure_openings(_read_recording(path), frames=75, frame_rate=Fraction(25)))
    assert np.abs(shapes[0] - shapes[1]).max() < 0.1


def test_a_gap_in_a_recording_is_silence(tmp_path: Path):
    path = tmp_path / "gap.mka"
    write_sound(path, "pcm_s16le", tone(1.0), rate=RATE, starts=(0.0, 1.5))
    read = _read_recording(path)
    assert (read == sound_of(path)).all()
    assert read.size == 2 * RATE
    assert not read[round(0.6 * RATE) : round(1.4 * RATE)].any()
