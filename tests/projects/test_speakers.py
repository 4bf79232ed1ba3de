"""Speakers of different recordings are different, and keep their names."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projects.speakers import assign_names
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, segment
from tests.properties import examples

LENGTH_MS = 500
heard = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def spoken(media: str, labels: Sequence[int]) -> list[dict[str, Any]]:
    """One word after the other, by speakers as a job numbers them."""
    return [
        segment(f"{media}{at}", at * LENGTH_MS, "word", media=media, speaker=f"Speaker {label}")
        for at, label in enumerate(labels)
    ]


def names(segments: Sequence[dict[str, Any]]) -> list[str]:
    return [segment_item["speaker"] for segment_item in segments]


@given(heard, heard, st.integers(0, 2))
@examples(100, 2000)
def test_nobody_is_taken_for_another_however_often_it_is_transcribed(
    one: list[int], other: list[int], again: int
) -> None:
    first = assign_names(spoken(MEDIA, one), [], MEDIA)
    second = assign_names(spoken(OTHER_MEDIA, other), first, OTHER_MEDIA)
    assert not set(names(first)) & set(names(second))
    for _ in range(again):
        assert assign_names(spoken(OTHER_MEDIA, other), [*first, *second], OTHER_MEDIA) == second
        assert assign_names(spoken(MEDIA, one), [*first, *second], MEDIA) == first
    for labels, results in ((one, first), (other, second)):
        assert len(set(zip(labels, names(results), strict=True))) == len(set(labels))
        assert len(set(names(results))) == len(set(labels))


def test_they_are_numbered_on_as_they_begin_to_speak() -> None:
    first = assign_names(spoken(MEDIA, [1, 2, 1]), [], MEDIA)
    assert names(first) == ["Speaker 1", "Speaker 2", "Speaker 1"]
    second = assign_names(spoken(OTHER_MEDIA, [1, 2, 1]), first, OTHER_MEDIA)
    assert names(second) == ["Speaker 3", "Speaker 4", "Speaker 3"]


def test_a_name_that_the_user_gave_stays_with_who_speaks_then() -> None:
    before = [
        *assign_names(spoken(MEDIA, [1, 2, 1]), [], MEDIA),
        *spoken(OTHER_MEDIA, [3]),
    ]
    before[1] = {**before[1], "speaker": "Anna"}
    turned = assign_names(spoken(MEDIA, [2, 1, 2]), before, MEDIA)
    assert names(turned) == ["Speaker 1", "Anna", "Speaker 1"]


def test_one_name_is_not_given_to_two_who_are_now_told_apart() -> None:
    before = spoken(MEDIA, [1, 1, 1])
    assert names(assign_names(spoken(MEDIA, [1, 2, 1]), before, MEDIA)) == [
        "Speaker 1",
        "Speaker 2",
        "Speaker 1",
    ]
