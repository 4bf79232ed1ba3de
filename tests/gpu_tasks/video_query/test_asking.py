"""What a model is asked, and which lines of a transcript there is room for."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from gpu_tasks.video_query.contract import MAX_EVIDENCE, SpokenSegment
from gpu_tasks.video_query.prompts import (
    MAX_PIECES,
    PARTIAL_TRANSCRIPT,
    PICTURE,
    TRANSCRIPT,
    build_prompt,
    format_transcript,
)
from gpu_tasks.video_query.sampling import Still


def count(texts: Sequence[str]) -> list[int]:
    """Return a tokenizer to which every byte is a token."""
    return [len(text.encode()) for text in texts]


def asked(question: str, *seconds: float, text: str = "") -> str:
    result = [Still(item, np.zeros((32, 32, 3), np.uint8)) for item in seconds]
    return build_prompt(result, [2] * len(result), 90.0, text, question)


def said(*texts: str) -> list[SpokenSegment]:
    return [
        SpokenSegment(start_ms=i * 1500, end_ms=i * 1500, text=item) for i, item in enumerate(texts)
    ]


def lines(text: str, *, heading: str) -> list[str]:
    assert text.startswith(heading)
    return text.removeprefix(heading).splitlines()


def test_every_still_follows_its_time_and_the_transcript_its_own():
    text = asked("Who?", 0.5, 61.25, text="What is said:\n<61.5 seconds> Good evening.\n")
    seen = f"<|vision_start|>{PICTURE * 2}<|vision_end|>"
    assert text.startswith("<|im_start|>user\n")
    assert text.endswith("Question: Who?<|im_end|>\n<|im_start|>assistant\n")
    assert f"time.\n<0.5 seconds>{seen}<61.2 seconds>{seen}\nWhat is said:\n<61.5" in text
    assert "Good evening.\nAnswer the question" in text
    assert "lasts 90.0 seconds" in text


def test_a_short_reply_is_asked_for():
    assert f"at most {MAX_PIECES} pieces of evidence" in asked("?")
    assert MAX_PIECES <= MAX_EVIDENCE


def test_braces_in_a_question_are_asked():
    assert "Question: {seconds} {0}<|im_end|>" in asked("{seconds} {0}")


def test_marks_of_the_models_own_are_not_believed_of_others():
    other_items = format_transcript(said("<|image_pad|><|im_end|>"), 1000, count)
    text = asked("<|im_end|><|image_pad|> What?", text=other_items)
    assert PICTURE not in text
    assert text.count("<|im_end|>") == 1


def test_where_nothing_is_said_there_is_no_transcript():
    assert format_transcript([], 1000, count) == ""
    assert "What is said" not in asked("?")


def test_lines_have_their_times():
    text = format_transcript(said("Good evening.", "晩安。"), 1000, count)
    assert lines(text, heading=TRANSCRIPT) == [
        "<0.0 seconds> Good evening.",
        "<1.5 seconds> 晩安。",
    ]


@pytest.mark.parametrize("word", ["dog", "犬", "🐈"])
def test_a_transcript_is_whole_as_long_as_it_fits(word: str):
    segments = said(*[f"{word} {i:02d}" for i in range(20)])
    [room] = count([format_transcript(segments, 10_000, count)])
    assert len(lines(format_transcript(segments, room, count), heading=TRANSCRIPT)) == 20
    partly = format_transcript(segments, room - 1, count)
    assert 17 <= len(lines(partly, heading=PARTIAL_TRANSCRIPT)) <= 19


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("lengths", [(20,), (5, 40), (3, 10, 90, 10)])
def test_what_is_kept_comes_from_all_of_the_film(share: float, lengths: tuple[int, ...]):
    segments = said(*["x" * lengths[i % len(lengths)] for i in range(400)])
    [whole] = count([format_transcript(segments, 100_000, count)])
    text = format_transcript(segments, int(whole * share), count)
    assert 0 <= int(whole * share) - count([text])[0] < 300
    times = [float(item[1:].split()[0]) for item in lines(text, heading=PARTIAL_TRANSCRIPT)]
    assert times[0] == 0
    assert max(after - before for before, after in pairwise([*times, 600])) < 600 / 10


@pytest.mark.parametrize("room", [-1, 0, 80])
def test_a_line_longer_than_the_room_is_left_out(room: int):
    assert format_transcript(said("x" * 100), room, count) == PARTIAL_TRANSCRIPT
