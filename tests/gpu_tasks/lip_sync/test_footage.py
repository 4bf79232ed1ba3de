"""How films are made as long as a recording."""

from fractions import Fraction

import pytest

from gpu_tasks.lip_sync.contract import MAX_RATE, MIN_RATE
from gpu_tasks.lip_sync.footage import rate_of, source_index


def test_frames_go_back_and_forth_and_none_stands_still():
    assert [source_index(index, 4) for index in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]


def test_two_frames_take_turns_and_one_is_all_there_is():
    assert [source_index(index, 2) for index in range(5)] == [0, 1, 0, 1, 0]
    assert [source_index(index, 1) for index in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("given", "used"),
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
def test_a_frame_rate_is_kept_or_divided(given: Fraction, used: Fraction):
    assert rate_of(given) == used
