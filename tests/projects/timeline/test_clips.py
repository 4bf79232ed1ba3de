"""The named operations on tracks and clips."""

from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from projects import documents
from projects.bounds import MAX_CROSS_FADE_MS
from projects.timeline import rules
from projects.timeline.content import CLIP
from projects.timeline.effects import Effect
from tests.projects.timeline.making import (
    MEDIA,
    after,
    clip,
    content,
    parsed,
    playing,
    refused,
    segment,
    track,
)

TWO = content(track(clip("a", 0, 0, 1000), clip("b", 1000, 0, 500)), track(name="w"))


def op(name: str, clip_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"op": name, "clip_id": clip_id, **more}


def add(start: int, begin: int = 0, end: int = 100, **more: Any) -> dict[str, Any]:
    source = {"media_file_id": MEDIA, "in_point_ms": begin, "out_point_ms": end}
    return {"op": "add_clip", "track_id": "v", "start_ms": start, **source, **more}


def test_a_clip_is_added_as_long_as_it_plays() -> None:
    made = after(TWO, add(2000, 100, 1100, clip_id="c", effects=[{"type": "speed", "rate": 0.5}]))

    assert made.tracks[0]["clips"][-1] == clip(
        "c", 2000, 100, 1100, effects=[{"type": "speed", "rate": 0.5}], duration_ms=2000
    )


def test_a_track_is_added_where_it_is_wanted() -> None:
    new = {"op": "add_track", "type": "audio", "name": "Music"}

    made = after(TWO, {**new, "track_id": "m", "index": 1}, new)

    assert [one["id"] for one in made.tracks[:3]] == ["v", "m", "w"]
    refused("unknown_track", lambda: after(TWO, {**new, "index": 3}))
    refused("duplicate_id", lambda: after(TWO, {**new, "track_id": "v"}))


def test_a_clip_is_moved_in_time_and_to_another_track() -> None:
    made = after(
        TWO, op("move_clip", start_ms=1500), op("move_clip", "b", start_ms=7, track_id="w")
    )

    assert (playing(made, 0), playing(made, 1)) == ([(1500, 0, 1000)], [(7, 0, 500)])
    assert made.tracks[1]["clips"][0]["track_id"] == "w"


def test_clips_change_places_in_one_request_but_never_overlap_after_it() -> None:
    made = after(TWO, op("move_clip", start_ms=500), op("move_clip", "b", start_ms=0))

    assert playing(made) == [(0, 0, 500), (500, 0, 1000)]
    refused("clip_overlap", lambda: after(TWO, op("move_clip", start_ms=1)))


def test_trimming_leaves_what_remains_where_it_is() -> None:
    made = after(TWO, op("trim_clip", in_point_ms=200, out_point_ms=900))
    longer = after(made, op("trim_clip", in_point_ms=0, out_point_ms=1000))
    put = after(TWO, op("trim_clip", in_point_ms=200, start_ms=0))

    assert playing(made)[0] == (200, 200, 900)
    assert longer == TWO
    assert playing(put)[0] == (0, 200, 1000)
    refused("too_early", lambda: after(put, op("trim_clip", in_point_ms=0)))
    refused("empty_clip", lambda: after(TWO, op("trim_clip", in_point_ms=1000)))


def test_a_split_clip_plays_as_before() -> None:
    fades: list[dict[str, Any]] = [
        {"type": "fade_in", "duration_ms": 1},
        {"type": "x_v"},
        {"type": "fade_out", "duration_ms": 1},
    ]
    before = content(track(clip("a", 50, 100, 1100, effects=fades)))

    made = after(before, op("split_clip", at_ms=350, new_clip_id="n"))

    assert playing(made) == [(50, 100, 400), (350, 400, 1100)]
    assert [one["id"] for one in made.tracks[0]["clips"]] == ["a", "n"]
    assert [[e["type"] for e in one["effects"]] for one in made.tracks[0]["clips"]] == [
        ["fade_in", "x_v"],
        ["x_v", "fade_out"],
    ]
    for outside in (50, 1050, 0, 2000):
        refused("outside_clip", partial(after, before, op("split_clip", at_ms=outside)))


@pytest.mark.parametrize("mode", ["gap", "ripple"])
def test_a_deleted_clip_stays_to_be_restored(mode: str) -> None:
    gone = after(TWO, op("delete_clip", mode=mode))

    back = after(gone, op("restore_clip"))

    assert playing(gone) == [(0 if mode == "ripple" else 1000, 0, 500)]
    cut = gone.tracks[0]["clips"][0]["cut"]
    assert cut == {
        "mode": mode,
        "segment_id": None,
        "start_ms": 0,
        "origin": {"id": "a", "duration_ms": 1000, "in_point_ms": 0, "out_point_ms": 1000},
        **({"closed_ms": 1000} if mode == "ripple" else {}),
    }
    assert CLIP.validate_python(gone.tracks[0]["clips"][0])["cut"] == cut
    assert back == TWO


def test_an_effect_takes_the_place_of_its_like_and_speed_changes_the_length() -> None:
    made = after(TWO, op("set_effect", effect={"type": "speed", "rate": 2}))
    slower = after(made, op("set_effect", effect={"type": "speed", "rate": 1.25}))
    plain = after(slower, op("remove_effect", type="speed"))

    assert [one.tracks[0]["clips"][0]["duration_ms"] for one in (made, slower)] == [500, 800]
    assert plain == TWO
    too_slow = op("set_effect", effect={"type": "speed", "rate": 0.5})
    refused("clip_overlap", lambda: after(TWO, too_slow))


def faded(overlap: int, fade: int, *, length: int = 500) -> list[dict[str, Any]]:
    effects = [{"type": "cross_fade", "duration_ms": fade}]
    return [clip("a", 0, 0, 1000), clip("b", 1000 - overlap, 0, length, effects=effects)]


@pytest.mark.parametrize(
    ("clips", "fits"),
    [
        (faded(300, 300), True),
        (faded(301, 300), False),
        (faded(500, 600), True),
        (faded(501, 600), False),
        ([*faded(300, 300), clip("c", 1000, 0, 9)], False),
        ([*faded(300, 300, length=300), clip("c", 999, 0, 9)], False),
        ([*faded(300, 300, length=300), clip("c", 1000, 0, 9)], True),
        ([clip("a", 5, 0, 9), clip("b", 14, 0, 9)], True),
        ([clip("a", 5, 0, 9), clip("b", 13, 0, 9)], False),
        ([clip("a", 5, 0, 9), clip("b", 5, 0, 9, deleted=True)], True),
        ([clip("a", documents.MAX_TIME_MS - 9, 0, 9)], True),
        ([clip("a", documents.MAX_TIME_MS - 8, 0, 9)], False),
    ],
)
def test_one_clip_at_a_time_but_for_a_cross_fade(clips: list[dict[str, Any]], fits: bool) -> None:
    assert (list(rules.overlaps_of(clips)) == []) is fits


def test_as_many_tracks_and_clips_as_there_may_be() -> None:
    full = content(track(*(clip(f"c{n}", n, 0, 1) for n in range(documents.MAX_CLIPS - 1))))
    at_edge = after(full, add(documents.MAX_CLIPS, clip_id="last", end=1))
    new_track = {"op": "add_track", "type": "video", "name": "T"}
    tracks = after(content(), *[new_track] * documents.MAX_TRACKS)

    assert len(at_edge.tracks[0]["clips"]) == documents.MAX_CLIPS
    refused("too_many_clips", lambda: after(at_edge, add(9000, end=1)))
    refused("too_many_tracks", lambda: after(tracks, new_track))


def test_effects_fill_the_timeline_up_to_its_bytes() -> None:
    pad = {f"p{number}": "x" * 200 for number in range(4)}
    effects = [{"type": f"x_{number:02}", **pad} for number in range(documents.MAX_EFFECTS)]
    size = rules.bytes_of([track(clip("c0000", 0, 0, 1, effects=effects))])
    count = documents.MAX_TRACKS_BYTES // size
    fits = [clip(f"c{n:04}", n, 0, 1, effects=effects) for n in range(count)]
    before = content(track())

    rules.check_content(before, content(track(*fits)))
    more = [clip(f"d{n:04}", 5000 + n, 0, 1, effects=effects) for n in range(3)]
    refused("timeline_too_large", lambda: rules.check_content(before, content(track(*fits, *more))))


EDGES = [
    {"start_ms": documents.MAX_TIME_MS},
    {"id": "x" * documents.MAX_ID_LENGTH},
    {"effects": [{"type": f"x_{number}"} for number in range(documents.MAX_EFFECTS)]},
    {"effects": [{"type": "cross_fade", "duration_ms": MAX_CROSS_FADE_MS}]},
    {"duration_ms": 10_000, "effects": [{"type": "speed", "rate": 0.1}]},
    {"duration_ms": 100, "effects": [{"type": "speed", "rate": 10}]},
    {"duration_ms": 666, "effects": [{"type": "speed", "rate": 1.5}]},
    {"duration_ms": 667, "effects": [{"type": "speed", "rate": 1.5}]},
    {"out_point_ms": 1, "duration_ms": 1},
    {"effects": [{"type": "fade_in", "duration_ms": 1}]},
    {"effects": [{"type": "fade_out", "duration_ms": 5000, "offset_ms": 4999}]},
    {"effects": [{"type": "fade_in", "duration_ms": documents.MAX_TIME_MS}]},
    {"effects": [{"type": "gain", "db": -60}]},
    {"effects": [{"type": "gain", "db": 24.0}]},
    {"effects": [{"type": "x_" + "v" * 38}]},
    {"effects": [{"type": "x_0", "speed": 1, "duration": "long"}]},
]
PAST_EDGES = [
    {"start_ms": documents.MAX_TIME_MS + 1},
    {"start_ms": -1},
    {"start_ms": 1.0},
    {"start_ms": "1"},
    {"start_ms": True},
    {"start_ms": None},
    {"id": "x" * (documents.MAX_ID_LENGTH + 1)},
    {"id": ""},
    {"id": "a b"},
    {"id": "a\n"},
    {"id": "\ud800"},
    {"media_file_id": "1"},
    {"duration_ms": 999},
    {"out_point_ms": 0, "duration_ms": 0},
    {"deleted": 1},
    {"cut": {"mode": "other"}},
    {"other": 1},
    {"effects": [{"type": f"x_{number}"} for number in range(documents.MAX_EFFECTS + 1)]},
    {"effects": [{"type": "x_v"}, {"type": "x_v"}]},
    {"effects": [{"type": "V"}]},
    {"effects": [{"type": "x_V"}]},
    {"effects": [{"type": "x_"}]},
    {"effects": [{"type": "x_v\n"}]},
    {"effects": [{"type": "x_" + "v" * 39}]},
    {"effects": [{"type": 1}]},
    {"effects": [{"type": []}]},
    {"effects": ["speed"]},
    {"effects": [{"type": "fadein", "duration_ms": 500}]},
    {"effects": [{"type": "fade_in", "duration": 500}]},
    {"effects": [{"type": "fade_in"}]},
    {"effects": [{"type": "fade_in", "duration_ms": 500.5}]},
    {"effects": [{"type": "fade_in", "duration_ms": 500, "offset_ms": 500}]},
    {"effects": [{"type": "fade_in", "duration_ms": 500, "offset_ms": -1}]},
    {"effects": [{"type": "fade_out", "duration_ms": 0}]},
    {"effects": [{"type": "fade_out", "duration_ms": 500, "curve": "log"}]},
    {"effects": [{"type": "cross_fade", "duration_ms": 500, "offset_ms": 1}]},
    {"effects": [{"type": "gain", "db": -60.1}]},
    {"effects": [{"type": "gain", "db": 24.1}]},
    {"effects": [{"type": "gain", "db": True}]},
    {"effects": [{"type": "gain", "db": "3"}]},
    {"effects": [{"type": "gain", "level": 3}]},
    {"effects": [{"type": "speed", "rate": 1, "pitch": 1}]},
    {"effects": [{}]},
    {"effects": [{"type": "x_v", "a.b": 1}]},
    {"effects": [{"type": "x_v", "$a": 1}]},
    {"effects": [{"type": "x_v", "a": {}}]},
    {"effects": [{"type": "x_v", "a": [[]]}]},
    {"effects": [{"type": "x_v", "a": 2**60}]},
    {"effects": [{"type": "x_v", "a": 10**400}]},
    {"effects": [{"type": "x_v", "a": float("inf")}]},
    {"effects": [{"type": "x_v", "a": float("nan")}]},
    {"effects": [{"type": "gain", "db": 10**400}]},
    {"effects": [{"type": "gain", "db": float("nan")}]},
    {"effects": [{"type": "x_v", "a": "\ud800"}]},
    {"effects": [{"type": "x_v", "a": "x" * documents.MAX_EFFECT_BYTES}]},
    {"effects": [{"type": "cross_fade"}]},
    {"effects": [{"type": "cross_fade", "duration_ms": 0}]},
    {"effects": [{"type": "cross_fade", "duration_ms": MAX_CROSS_FADE_MS + 1}]},
    {"effects": [{"type": "speed"}]},
    {"effects": [{"type": "speed", "rate": 0.099}], "duration_ms": 10_101},
    {"effects": [{"type": "speed", "rate": 10.001}], "duration_ms": 99},
    {"effects": [{"type": "speed", "rate": 0.3333}], "duration_ms": 3000},
    {"duration_ms": 665, "effects": [{"type": "speed", "rate": 1.5}]},
    {"duration_ms": 668, "effects": [{"type": "speed", "rate": 1.5}]},
]


@pytest.mark.parametrize("fields", EDGES)
def test_a_clip_that_just_fits(fields: dict[str, Any]) -> None:
    wanted = clip("a", 0, 0, 1000) | fields

    assert CLIP.validate_python(wanted) == wanted


def test_a_clip_that_is_there_has_not_been_cut() -> None:
    cut = {"mode": "gap", "segment_id": None}
    there, gone = (clip("a", 0, 0, 9, cut=cut, deleted=deleted) for deleted in (False, True))

    assert "cut" not in CLIP.validate_python(there)
    assert CLIP.validate_python(gone)["cut"] == cut


@pytest.mark.parametrize("fields", PAST_EDGES)
def test_a_clip_that_does_not_fit(fields: dict[str, Any]) -> None:
    with pytest.raises(ShapeError):
        CLIP.validate_python(clip("a", 0, 0, 1000) | fields)


def test_an_effect_keeps_its_parameters() -> None:
    wanted = {"type": "x_lut", "name": "é", "on": True, "curve": [0, 0.5, 1], "nothing": None}

    assert TypeAdapter(Effect).validate_python(wanted).model_dump() == wanted


@pytest.mark.parametrize(
    "count", [0, documents.MAX_OPERATIONS + 1], ids=["none", "more than there may be"]
)
def test_some_operations_and_not_too_many(count: int) -> None:
    one = op("delete_clip")

    assert len(parsed(*[one] * documents.MAX_OPERATIONS)) == documents.MAX_OPERATIONS
    with pytest.raises(ShapeError):
        parsed(*[one] * count)


def test_what_is_cut_out_of_a_fade_leaves_each_part_its_share() -> None:
    fades = [{"type": "fade_in", "duration_ms": 800}, {"type": "fade_out", "duration_ms": 700}]
    film = content(track(clip("a", 50, 0, 1000, effects=fades)), segments=[segment("s", 300, "so")])

    cut = after(film, {"op": "delete_segment", "segment_id": "s", "mode": "gap"})

    assert [
        (each["in_point_ms"], [(e["type"], e.get("offset_ms", 0)) for e in each["effects"]])
        for each in sorted(cut.tracks[0]["clips"], key=lambda one: one["in_point_ms"])
    ] == [
        (0, [("fade_in", 0)]),
        (300, [("fade_in", 300), ("fade_out", 200)]),
        (800, [("fade_out", 0)]),
    ]
