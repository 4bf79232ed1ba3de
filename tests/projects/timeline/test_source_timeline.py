"""What a track stores of its source timeline, and how it is read, whoever has written it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.timeline.content import Clip, Track, end_of, without
from projects.timeline.track_editor import TrackEditor, find_closing
from tests.projects.timeline import walk
from tests.projects.timeline.making import OTHER_MEDIA, after, clip, content, playing, track
from tests.projects.timeline.test_properties import PURE, first, tried

RIPPLE = {"op": "delete_clip", "mode": "ripple"}


def check_editor(stored: Track) -> TrackEditor:
    """No clip that plays moves when it is read, and nothing is closed twice or under one."""
    editor = TrackEditor(stored)
    closed = []
    for key, each in enumerate(stored["clips"]):
        if not each["deleted"]:
            assert editor.get_clip(key) is each
        elif closing := find_closing(editor.clips[key]):
            begin = editor.clips[key]["start_ms"] + closing[0]
            closed.append((begin, begin + closing[1]))
    closed = sorted(each for each in closed if each[0] < each[1])
    assert all(end <= begin for (_, end), (begin, _) in pairwise(closed))
    plays = [each for each in editor.clips.values() if not each["deleted"]]
    for begin, end in closed:
        assert all(each["start_ms"] >= end or end_of(each) <= begin for each in plays)
    return editor


def changed(stored: Track, change: Any) -> Track:
    return {**stored, "clips": [change(each) for each in stored["clips"]]}


def unmarked(each: Clip) -> Clip:
    """As a document of old has it: how it was deleted, and no more."""
    if "cut" not in each:
        return each
    return {**each, "cut": without(each["cut"], "start_ms", "closed_ms", "lead_ms", "origin")}


@pytest.mark.property
@PURE
@given(walk.walks(20))
def test_what_is_written_is_read_back(steps: list[walk.Step]) -> None:
    now = first()
    for step in steps:
        now = tried(now, step)

    for each in now.tracks:
        editor = check_editor(each)
        assert [editor.get_clip(key)["start_ms"] for key in editor.order] == [
            one["start_ms"] for one in each["clips"]
        ]
        assert editor.finish() is each


@pytest.mark.property
@PURE
@given(walk.walks(20), st.lists(st.integers(0, 6000), min_size=1))
def test_what_others_have_written_is_read(steps: list[walk.Step], starts: list[int]) -> None:
    now = first()
    for step in steps:
        now = tried(now, step)

    for each in now.tracks:
        check_editor(changed(each, unmarked))
        moved = iter(starts * len(each["clips"]))
        check_editor(changed(each, lambda one: {**one, "start_ms": next(moved)}))  # noqa: B023


def test_a_mark_of_old_documents_has_closed_the_length_of_its_clip() -> None:
    film = content(track(clip("a", 0, 0, 1000), clip("b", 1000, 0, 500, media=OTHER_MEDIA)))
    gone = after(film, {**RIPPLE, "clip_id": "a"})
    old = content(changed(gone.tracks[0], unmarked))

    back = after(old, {"op": "restore_clip", "clip_id": "a"})

    assert playing(gone) == [(0, 0, 500)]
    assert playing(back) == playing(film)


def test_what_a_client_has_moved_a_clip_over_is_restored_behind_it() -> None:
    clips = [clip(name, at, at, at + 1000) for name, at in (("a", 0), ("b", 1000), ("c", 2000))]
    gone = after(content(track(*clips)), {**RIPPLE, "clip_id": "b"})
    moves = {"a": 5000, "c": 500}
    put = content(
        changed(gone.tracks[0], lambda one: {**one, "start_ms": moves.get(one["id"], 1000)})
    )

    back = after(put, {"op": "restore_clip", "clip_id": "b"})

    assert playing(back) == [(500, 2000, 3000), (1500, 1000, 2000), (6000, 0, 1000)]


def test_an_edit_stores_where_deleted_clips_are() -> None:
    bare = clip("a", 100, 0, 50, deleted=True)
    film = content(track(bare, clip("b", 1000, 0, 500, media=OTHER_MEDIA)))

    moved = after(film, {"op": "move_clip", "clip_id": "b", "start_ms": 2000})

    cut = {"mode": "gap", "segment_id": None, "start_ms": 100}
    assert moved.tracks[0]["clips"][0] == {**bare, "track_id": "v", "cut": cut}
