"""Editing by text: what is cut out of the film, and how it comes back."""

from typing import Any

import pytest

from projects.timeline.content import Content, duration_of
from tests.projects.timeline.making import (
    OTHER_MEDIA,
    after,
    clip,
    content,
    playing,
    refused,
    segment,
    track,
)

SAID = segment("s", 1000, "one two three four")  # 1000 to 3000, half a second each


def film(*clips: dict[str, Any]) -> Content:
    return content(track(*clips), segments=[SAID])


WHOLE = film(clip("a", 0, 0, 4000), clip("b", 4000, 0, 500, media=OTHER_MEDIA))


def words(op: str, first: int, last: int, **more: Any) -> dict[str, Any]:
    return {"op": op, "segment_id": "s", "first": first, "last": last, **more}


def of_segment(op: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "segment_id": "s", **more}


def test_deleting_words_cuts_them_and_their_pause_and_closes_the_gap() -> None:
    made = after(WHOLE, words("delete_words", 1, 2))

    assert playing(made) == [(0, 0, 1500), (1500, 2500, 4000), (3000, 0, 500)]
    assert [one.get("deleted", False) for one in made.segments[0]["words"]] == [
        False,
        True,
        True,
        False,
    ]
    assert duration_of(made.tracks) == 3500


def test_the_gap_may_be_left() -> None:
    made = after(WHOLE, words("delete_words", 1, 2, mode="gap"))

    assert playing(made) == [(0, 0, 1500), (2500, 2500, 4000), (4000, 0, 500)]


@pytest.mark.parametrize("mode", ["ripple", "gap"])
def test_a_restored_segment_is_one_clip_again(mode: str) -> None:
    gone = after(WHOLE, of_segment("delete_segment", mode=mode))

    back = after(gone, of_segment("restore_segment"))

    assert playing(gone) != playing(WHOLE)
    assert playing(back) == playing(WHOLE)
    assert not back.segments[0]["deleted"]


@pytest.mark.parametrize("mode", ["ripple", "gap"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_words_deleted_one_by_one_come_back_in_any_order(mode: str, order: tuple[int, ...]) -> None:
    gone = WHOLE
    for index in range(4):
        gone = after(gone, words("delete_words", index, index, mode=mode))
    assert playing(gone)[0] == (0, 0, 1000)
    back = gone
    for index in order:
        back = after(back, words("restore_words", index, index))

    assert playing(back) == playing(WHOLE)


def test_a_restored_segment_leaves_its_deleted_words_out() -> None:
    without_two = after(WHOLE, words("delete_words", 1, 1))
    gone = after(without_two, of_segment("delete_segment"))

    back = after(gone, of_segment("restore_segment"))

    assert playing(back) == playing(without_two)


def test_only_clips_that_play_it_are_cut() -> None:
    before = film(
        clip("a", 0, 0, 900),
        clip("b", 1000, 3100, 3500),
        clip("c", 2000, 1000, 3000, media=OTHER_MEDIA),
        clip("d", 5000, 1000, 3000, deleted=True, cut={"mode": "gap", "segment_id": None}),
    )

    made = after(before, of_segment("delete_segment"))

    assert made.tracks[0]["clips"] == before.tracks[0]["clips"]


def test_all_tracks_that_play_it_are_cut_each_for_itself() -> None:
    before = content(
        track(clip("a", 0, 0, 4000)),
        track(clip("m", 0, 0, 9000, media=OTHER_MEDIA), name="music", kind="audio"),
        track(clip("s", 0, 0, 4000), clip("t", 4000, 0, 500), name="sound", kind="audio"),
        segments=[SAID],
    )

    made = after(before, of_segment("delete_segment"))

    assert playing(made, 0) == [(0, 0, 1000), (1000, 3000, 4000)]
    assert playing(made, 1) == [(0, 0, 9000)]
    assert playing(made, 2) == [(0, 0, 1000), (1000, 3000, 4000), (2000, 0, 500)]


def test_a_faster_clip_is_cut_where_it_plays_the_words() -> None:
    speed = {"type": "speed", "rate": 2}

    made = after(film(clip("a", 0, 0, 4000, effects=[speed])), words("delete_words", 0, 1))

    assert playing(made) == [(0, 0, 1000), (500, 2000, 4000)]
    assert duration_of(made.tracks) == 1500


def test_what_would_only_be_seen_in_a_cross_fade_goes_too() -> None:
    fade = {"type": "cross_fade", "duration_ms": 500}
    before = film(
        clip("a", 0, 0, 1200),
        clip("b", 900, 900, 3300, effects=[fade]),
        clip("c", 2900, 0, 900, media=OTHER_MEDIA, effects=[fade]),
    )

    made = after(before, of_segment("delete_segment", mode="gap"))
    back = after(made, of_segment("restore_segment"))

    assert playing(made) == [(0, 0, 1000), (2900, 0, 900)]
    assert playing(back) == playing(before)


def test_a_place_that_has_been_taken_can_be_made_again() -> None:
    gone = after(WHOLE, of_segment("delete_segment", mode="gap"))
    taken = after(gone, {"op": "move_clip", "clip_id": "b", "start_ms": 1500})

    refused("no_room", lambda: after(taken, of_segment("restore_segment")))
    back = after(taken, of_segment("restore_segment", mode="ripple"))

    assert playing(back) == [(0, 0, 3000), (3500, 0, 500), (5000, 3000, 4000)]


def test_deleting_twice_or_restoring_what_is_there_changes_nothing() -> None:
    gone = after(WHOLE, of_segment("delete_segment"))

    assert after(gone, of_segment("delete_segment")) is gone
    assert after(WHOLE, of_segment("restore_segment")) is WHOLE
    assert playing(after(WHOLE, words("restore_words", 0, 3))) == playing(WHOLE)


def test_words_of_a_deleted_segment_are_not_edited_one_by_one() -> None:
    gone = after(WHOLE, of_segment("delete_segment"))

    refused("segment_deleted", lambda: after(gone, words("delete_words", 0, 0)))
    refused("segment_deleted", lambda: after(gone, words("restore_words", 0, 0)))


def test_unknown_words_are_refused() -> None:
    refused("unknown_word", lambda: after(WHOLE, words("delete_words", 0, 4)))
    refused("unknown_word", lambda: after(WHOLE, edit_word(4, "x")))
    refused("unknown_segment", lambda: after(content(), words("delete_words", 0, 0)))


def edit_word(index: int, text: str | None) -> dict[str, Any]:
    return {"op": "edit_word", "segment_id": "s", "word": index, "text": text}


def test_an_edited_word_stands_beside_the_heard_one() -> None:
    edited = after(WHOLE, edit_word(1, "TWO"), words("delete_words", 1, 1))
    again = after(edited, edit_word(1, None), words("restore_words", 1, 1))

    assert edited.segments[0]["words"][1] == SAID["words"][1] | {
        "edited_word": "TWO",
        "deleted": True,
    }
    assert again.segments[0] == SAID


def test_an_edited_text_stands_beside_the_heard_one() -> None:
    edit = {"op": "edit_segment", "segment_id": "s", "edited_text": "Other", "speaker": "Ann"}

    made = after(WHOLE, edit)

    assert made.segments[0] == SAID | {"edited_text": "Other", "speaker": "Ann"}
    assert made.tracks is WHOLE.tracks
