"""Words get their speakers, and segments of them."""

from itertools import pairwise

import pytest

from gpu_tasks.mediakit.speech.utterances import RecognisedWord
from gpu_tasks.transcription.contract import TranscribedSegment
from gpu_tasks.transcription.turns import (
    LONGEST_MS,
    ONLY_SPEAKER,
    PAUSE_MS,
    SENTENCES_MS,
    Turn,
    assign_speakers,
    build_segments,
)


def word(start_ms: int, end_ms: int, text: str = " word") -> RecognisedWord:
    return RecognisedWord(text, start_ms, end_ms, confidence=0.9)


def steady(count: int, text: str = " word") -> list[RecognisedWord]:
    """Words of a second each, without pauses."""
    return [word(i * 1000, (i + 1) * 1000, text) for i in range(count)]


def parted(
    words: list[RecognisedWord], spoken_by: list[str] | None = None
) -> list[TranscribedSegment]:
    return build_segments(words, spoken_by or [ONLY_SPEAKER] * len(words))


def test_a_word_is_whose_turn_overlaps_it_longest():
    turns = [Turn(0, 1500, "B"), Turn(1500, 3000, "A")]
    words = [word(0, 1000), word(1000, 1900), word(1100, 2000)]
    assert assign_speakers(words, turns) == ["Speaker 1", "Speaker 1", "Speaker 2"]


def test_overlaps_with_several_turns_of_a_voice_add_up():
    turns = [Turn(0, 300, "A"), Turn(300, 700, "B"), Turn(700, 1000, "A")]
    assert assign_speakers([word(300, 400), word(0, 1000)], turns) == ["Speaker 1", "Speaker 2"]


def test_a_word_beside_all_turns_is_whose_turn_is_nearest():
    turns = [Turn(1000, 2000, "A"), Turn(3000, 4000, "B")]
    words = [word(0, 500), word(2100, 2400), word(2700, 2900), word(9000, 9100)]
    assert assign_speakers(words, turns) == ["Speaker 1", "Speaker 1", "Speaker 2", "Speaker 2"]


def test_turns_need_no_order_and_may_overlap():
    turns = [Turn(2000, 9000, "B"), Turn(0, 3000, "A")]
    words = [word(0, 1000), word(2100, 3200), word(5000, 6000)]
    assert assign_speakers(words, turns) == ["Speaker 1", "Speaker 2", "Speaker 2"]


def test_without_turns_there_is_one_speaker():
    assert assign_speakers(steady(3), []) == [ONLY_SPEAKER] * 3
    assert assign_speakers([], [Turn(0, 1, "A")]) == []


def test_a_change_of_speaker_ends_a_segment():
    result = parted(steady(4), ["Speaker 1", "Speaker 1", "Speaker 2", "Speaker 1"])
    assert [item.speaker for item in result] == ["Speaker 1", "Speaker 2", "Speaker 1"]
    assert [(item.start_ms, item.end_ms) for item in result] == [
        (0, 2000),
        (2000, 3000),
        (3000, 4000),
    ]


@pytest.mark.parametrize(("pause_ms", "count"), [(PAUSE_MS - 1, 1), (PAUSE_MS, 2)])
def test_a_pause_ends_a_segment(pause_ms: int, count: int):
    assert len(parted([word(0, 500), word(500 + pause_ms, 2000)])) == count


def test_a_long_segment_ends_with_its_sentence_and_a_short_one_does_not():
    words = steady(10)
    words[SENTENCES_MS // 1000 - 2] = word(4000, 5000, " end.")
    words[SENTENCES_MS // 1000 - 1] = word(5000, 6000, " end.")
    assert [len(item.words) for item in parted(words)] == [6, 4]


def test_a_segment_without_an_end_of_sentence_ends_somewhere():
    result = parted(steady(40))
    assert [item.end_ms - item.start_ms for item in result] == [LONGEST_MS, LONGEST_MS, 10_000]
    for item, following in pairwise(result):
        assert item.end_ms == following.start_ms


def test_the_text_has_the_spaces_that_the_language_has():
    english = parted([word(0, 1, " Hello,"), word(1, 2, " world.")])
    japanese = parted([word(0, 1, "今日"), word(1, 2, "は")])
    assert (english[0].text, japanese[0].text) == ("Hello, world.", "今日は")
    assert [item.word for item in english[0].words] == ["Hello,", "world."]


def test_nothing_said_is_no_segment():
    assert parted([]) == []
