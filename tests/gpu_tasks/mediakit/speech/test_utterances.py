"""Cutting sound into utterances."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE, Block, Samples
from gpu_tasks.mediakit.speech.utterances import (
    CUT_WITHIN_FRAMES,
    FRAME,
    MARGIN_FRAMES,
    MAX_FRAMES,
    PAUSE_FRAMES,
    Utterance,
    split_into_utterances,
)
from tests.gpu_tasks.recordings import tone


def blocks(*parts: Samples, size: int = 1000, start: int = 0) -> Iterator[Block]:
    """Return the parts one after the other, in blocks that fit no frame."""
    sound = np.concatenate(parts)
    for at in range(0, sound.size, size):
        yield Block(start + at, sound[at : at + size], at / sound.size)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def cut(*parts: Samples) -> list[Utterance]:
    return list(split_into_utterances(blocks(*parts)))


def test_silence_has_no_utterances():
    assert cut(silence(5.0)) == []


def test_steady_noise_has_no_utterances():
    noise = np.random.default_rng(seed=1).normal(0, 500, 10 * RATE).astype(np.int16)
    assert cut(noise) == []


def test_an_utterance_has_its_place_and_a_margin(short_sound: Samples):
    (utterance,) = cut(silence(2.0), short_sound, silence(2.0))
    begins = utterance.start / RATE
    ends = begins + utterance.samples.size / RATE
    assert 2.0 - 2 * MARGIN_FRAMES * 0.03 <= begins <= 2.2
    assert 4.6 <= ends <= 2.0 + short_sound.size / RATE + MARGIN_FRAMES * 0.03


def test_what_is_given_are_the_samples_themselves(short_sound: Samples):
    sound = np.concatenate([silence(1.0), short_sound, silence(1.0)])
    (utterance,) = split_into_utterances(blocks(sound))
    expected = sound[utterance.start : utterance.start + utterance.samples.size]
    assert np.array_equal(utterance.samples, expected)


def test_a_pause_separates_two_utterances(short_sound: Samples):
    first, second = cut(short_sound, silence(PAUSE_FRAMES * 0.03), short_sound)
    assert first.start + first.samples.size <= second.start
    assert second.start > short_sound.size


@pytest.mark.parametrize(("seconds", "heard"), [(0.01, 0), (0.02, 2)])
def test_a_click_is_no_speech_but_a_syllable_is(seconds: float, heard: int):
    noise = tone(seconds, hertz=300)
    assert len(cut(silence(1.0), noise, silence(1.0), noise, silence(1.0))) == heard


def test_a_gap_ends_an_utterance_and_the_next_has_its_own_time(short_sound: Samples):
    half = short_sound[: short_sound.size // 2]
    parts = [*blocks(half), *blocks(half, start=100 * RATE)]
    first, second = split_into_utterances(parts)
    assert first.start < RATE
    assert second.start == pytest.approx(100 * RATE, abs=0.3 * RATE)


def test_who_makes_no_pause_is_cut_at_the_bound_where_it_is_quietest():
    quiet_at = (MAX_FRAMES - CUT_WITHIN_FRAMES // 2) * FRAME
    speech = tone(20.0, hertz=300)
    speech[quiet_at : quiet_at + FRAME] //= 2
    pieces = cut(speech)
    assert max(piece.samples.size for piece in pieces) <= MAX_FRAMES * FRAME
    assert pieces[0].start + pieces[0].samples.size == quiet_at
    assert sum(piece.samples.size for piece in pieces) == pytest.approx(speech.size, abs=FRAME)
    for item, following in pairwise(pieces):
        assert item.start + item.samples.size == following.start


def test_speech_that_stops_right_after_the_bound_is_not_lost(short_sound: Samples):
    pieces = cut(tone(MAX_FRAMES * FRAME / RATE + 0.03, hertz=300), silence(3.0), short_sound)
    assert all(piece.samples.size for piece in pieces)
    assert pieces[-1].start > (MAX_FRAMES * FRAME)


def test_the_share_read_is_told(short_sound: Samples):
    first, second = cut(short_sound, silence(3.0), short_sound)
    assert 0 < first.share < second.share <= 1.0
