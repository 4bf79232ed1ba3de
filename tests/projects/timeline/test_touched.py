"""What an edit has touched, and rules that look at no more than that, against the plain way."""

from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects import documents
from projects.timeline import changes, clip_diff, rules
from projects.timeline.content import Content, all_clips
from tests.projects.timeline import walk
from tests.projects.timeline.films import films
from tests.projects.timeline.making import clip, content, refused, track
from tests.projects.timeline.test_properties import PURE, tried

pytestmark = pytest.mark.property

CLIPS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(1, 12),
        st.sampled_from([0, 0, 0, 1, 3, 9]),
        st.booleans(),
    ),
    max_size=8,
)


@PURE
@given(wanted=CLIPS)
def test_overlaps_are_those_that_looking_at_each_clip_finds(wanted: list[Any]) -> None:
    late = documents.MAX_TIME_MS - 30
    for offset in (0, late):
        clips: Any = [
            clip(
                f"c{index}",
                offset + start,
                0,
                length,
                deleted=gone,
                effects=[{"type": "cross_fade", "duration_ms": fade}] if fade else [],
            )
            for index, (start, length, fade, gone) in enumerate(wanted)
        ]
        assert list(rules.overlaps_of(clips)) == list(rules._overlaps_in_order(clips))


@PURE
@given(film=films(), steps=walk.walks(6))
def test_every_clip_is_among_the_touched_or_the_same(film: Content, steps: list[walk.Step]) -> None:
    before = after = film
    for step in steps:
        after = tried(after, step)

    found = clip_diff.diff_clips(before, after)

    old, new = (list(all_clips(each.tracks)) for each in (before, after))
    kept = {id(one) for one in old} & {id(one) for one in new}
    come = {id(one) for _, _, one in found.added}
    assert come | found.moved == {id(one) for one in new} - kept
    assert not come & found.moved
    assert all(after.tracks[index]["clips"][at] is one for index, at, one in found.added)
    assert all(before.tracks[index]["clips"][at] is one for index, at, one in found.removed)
    was = {one["id"]: one for one in old}
    for one in new:
        if id(one) in found.moved:
            assert {**was[one["id"]], "start_ms": one["start_ms"]} == one != was[one["id"]]
    assert len(found.removed) + len(found.moved) == len({id(one) for one in old} - kept)
    headers = 512 * len(after.tracks)
    grown = rules.bytes_of(after.tracks) - rules.bytes_of(before.tracks)
    assert grown <= found.bytes_at_most + headers
    plain, told = (
        changes.diff_contents(before, after),
        changes.diff_contents(before, after, found.moved),
    )
    assert (told.forward, told.inverse) == (plain.forward, plain.inverse)


def test_tracks_are_measured_near_their_bound_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Any] = []
    bytes_of = rules.bytes_of

    def counting(tracks: Any) -> int:
        measured.append(tracks)
        return bytes_of(tracks)

    monkeypatch.setattr(rules, "bytes_of", counting)
    new: Any = clip("new", 9000, 0, 100, effects=[])
    before, after = content(track()), content(track(new))
    added = len(bson.encode({**new, "track_id": "v"})) + clip_diff.PLACE_BYTES
    edge = documents.MAX_TRACKS_BYTES - rules.UNMEASURED_BYTES - added

    assert rules.check_content(before, after, tracks_bytes=edge) == edge + added
    assert measured == []
    assert rules.check_content(before, after, tracks_bytes=edge + 1) == bytes_of(after.tracks)
    assert len(measured) == 1
    monkeypatch.setattr(rules, "MAX_TRACKS_BYTES", bytes_of(after.tracks))
    rules.check_content(before, after)
    monkeypatch.setattr(rules, "MAX_TRACKS_BYTES", bytes_of(after.tracks) - 1)
    refused("timeline_too_large", lambda: rules.check_content(before, after))


def test_headers_of_tracks_fit_what_is_not_measured() -> None:
    """Their names and ids, the longest there may be."""
    longest: Any = {
        "id": "i" * documents.MAX_ID_LENGTH,
        "type": "video",
        "name": "\N{MUSICAL SYMBOL G CLEF}" * documents.MAX_TRACK_NAME_LENGTH,
        "clips": [],
    }
    assert rules.bytes_of([longest] * documents.MAX_TRACKS) < rules.UNMEASURED_BYTES
