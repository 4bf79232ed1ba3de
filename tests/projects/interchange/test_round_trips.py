"""A timeline that goes to another editor's file and back is the one that it was."""

import math
from typing import Any
from uuid import UUID

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.models import MediaFile
from projects.interchange import (
    conversion,
    exchange,
    foreign,
    formats,
    limits,
    reading,
    sandboxing,
    times,
)
from projects.interchange.building import Film
from projects.interchange.matching import Matched
from projects.interchange.terms import Piece, tracks_from
from projects.timeline import rules
from projects.timeline.content import Content, Track, end_of
from projects.timeline.shape import EdlShape
from tests.projects.timeline.films import films
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, clip, track
from tests.properties import examples

RATES = st.sampled_from([24, 25, 30, 48, 50, 60, 23.98, 29.97, 47.95, 59.94, 12.5])


def document(frame_rate: float, *tracks: Any) -> dict[str, Any]:
    return {"settings": {"frame_rate": frame_rate}, "tracks": list(tracks)}


def written(
    of: dict[str, Any], form: str, name: str = "Film", media: dict[str, MediaFile] | None = None
) -> str:
    """The file."""
    limits.check(of, form)
    if media is None:
        media = {key: MediaFile(name=name, duration_ms=3_600_000) for key in (MEDIA, OTHER_MEDIA)}
    return exchange.WRITERS[form](Film(name, of["tracks"], of["settings"]["frame_rate"], media))


def there_and_back(of: dict[str, Any], form: str, name: str = "Film") -> list[Track]:
    """The tracks of a file that was written, read by what imports use."""
    rate = times.exact_rate(of["settings"]["frame_rate"])
    return imported(written(of, form, name), form, rate, {})


def imported(text: str, form: str, rate: float, rows: dict[str, MediaFile]) -> list[Track]:
    """The tracks of a file, read by what imports use."""
    tracks = sandboxing.accepted(foreign.read(text, form, rate))
    sources = [piece.source for each in tracks for piece in each.pieces]
    durations = {
        key: rows[key].duration_ms if key in rows else None for key in (MEDIA, OTHER_MEDIA)
    }
    matched = Matched({s: str(s.media_id) for s in sources}, durations, rows)
    is_edit_list = form == "cmx3600"
    tracks = conversion.count_from_file_start(tracks, matched, is_edit_list=is_edit_list)
    ids = conversion.Ids()
    placed = [conversion.convert_track(each, matched, rate=rate, ids=ids) for each in tracks]
    told = EdlShape.model_validate({"tracks": placed}).tracks
    rules.check_content(Content([], []), Content(told, []))
    return told


def plain(tracks: list[dict[str, Any]]) -> list[Any]:
    """What plays, without the ids that only OpenTimelineIO's own format keeps."""
    times_of = ("start_ms", "duration_ms", "in_point_ms", "out_point_ms", "media_file_id")
    return [
        (
            each["type"],
            [
                [*(one[key] for key in times_of), one["effects"]]
                for one in sorted(each["clips"], key=lambda one: one["start_ms"])
            ],
        )
        for each in tracks
    ]


def on_frames(rate: float, frame: int) -> int:
    return round(frame * 1000 / times.exact_rate(rate))


@st.composite
def laid_out(draw: st.DrawFn, name: str, at: Any, kind: str = "video") -> dict[str, Any]:
    """A track of up to six clips: gaps, cuts and cross-fades; ``at`` makes times of counts."""
    cursor, faded = draw(st.integers(0, 40)), 0
    clips: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 6))):
        length = draw(st.integers(2, 90))
        room = min(clips[-1]["length"] - faded, length) if clips else 0
        faded = draw(st.integers(0, room)) if draw(st.booleans()) else 0
        start = cursor - faded if faded else cursor + draw(st.sampled_from([0, 0, 7]))
        begin, end = at(start), at(start + length)
        inside = at(draw(st.integers(0, 200)))
        overlap = at(cursor) - begin if faded else 0
        effects = [{"type": "cross_fade", "duration_ms": overlap}] if overlap else []
        media = draw(st.sampled_from([MEDIA, OTHER_MEDIA]))
        made = clip(f"{name}{index}", begin, inside, inside + end - begin, media=media)
        clips.append({**made, "effects": effects, "length": length})
        cursor = start + length
    for each in clips:
        del each["length"]
    return track(*clips, name=name, kind=kind)


@st.composite
def on_boundaries(draw: st.DrawFn, tracks: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    rate = draw(RATES.filter(lambda rate: rate != 12.5))

    def at(frame: int) -> int:
        return on_frames(rate, frame)

    return document(rate, *(draw(laid_out(name, at, kind)) for name, kind in tracks))


BOTH = (("v", "video"), ("w", "video"), ("s", "audio"))


@pytest.mark.property
@examples(40, 2000)
@given(of=on_boundaries(BOTH))
def test_opentimelineio_brings_the_document_back_with_ids(of: dict[str, Any]) -> None:
    assert there_and_back(of, "otio") == of["tracks"]


@pytest.mark.property
@examples(40, 2000)
@given(of=on_boundaries(BOTH))
def test_fcp_xml_brings_back_all_that_plays_on_frames(of: dict[str, Any]) -> None:
    back = there_and_back(of, "fcp_xml")

    assert plain(back) == plain(of["tracks"])
    assert [each["name"] for each in back] == [each["name"] for each in of["tracks"]]


@pytest.mark.property
@examples(20, 1000)
@given(of=on_boundaries(BOTH))
def test_fcp_xml_is_what_another_reader_takes_it_for(of: dict[str, Any]) -> None:
    theirs = otio.adapters.read_from_string(written(of, "fcp_xml"), "fcp_xml")
    ours = foreign.read(written(of, "fcp_xml"), "fcp_xml", 25.0)["tracks"]

    read = reading.read_stack(theirs.tracks)

    assert read.foreign == []
    assert [list(map(cut_of, each.pieces)) for each in read.tracks] == [
        list(map(cut_of, each.pieces)) for each in tracks_from(ours)
    ]


def cut_of(piece: Piece) -> tuple[Any, ...]:
    times_of = (piece.begin_ms, piece.end_ms, piece.in_ms, piece.cross_fade_ms)
    return (*times_of, piece.source.media_id)


@pytest.mark.property
@examples(40, 2000)
@given(of=on_boundaries((("v", "video"),)))
def test_cmx_3600_brings_back_one_video_track_on_frames(of: dict[str, Any]) -> None:
    assert plain(there_and_back(of, "cmx3600")) == plain(of["tracks"])


@st.composite
def ends_of_files(draw: st.DrawFn, form: str) -> tuple[dict[str, Any], dict[str, MediaFile]]:
    """Return clips that play to the ends of files, whose lengths are no whole frames."""
    rate = draw(st.sampled_from([24, 25, 29.97, 30, 50, 60]))
    timecode = draw(st.sampled_from(["", "10:00:01:00", "00:00:00:05", "23:59:59:00"]))
    if rate == 29.97 and timecode:
        timecode = draw(st.sampled_from([timecode, timecode[:8] + ";" + timecode[9:]]))
    metadata = {"start_timecode": timecode, "frame_rate": draw(st.sampled_from([rate, None]))}
    media = {
        key: MediaFile(name="a.mov", duration_ms=draw(st.integers(300, 9000)), metadata=metadata)
        for key in (MEDIA, OTHER_MEDIA)
    }
    cursor, clips = draw(st.integers(0, 900)), []
    for index in range(draw(st.integers(1, 4))):
        key = draw(st.sampled_from([MEDIA, OTHER_MEDIA]))
        end = media[key].duration_ms
        begin = draw(st.integers(0, end - 250))
        speed = draw(st.sampled_from([1, 1, 2, 0.5])) if form == "otio" else 1
        effects = [{"type": "speed", "rate": speed}] if speed != 1 else []
        made = clip(f"c{index}", cursor, begin, end, media=key, effects=effects)
        clips.append(made)
        cursor += made["duration_ms"] + draw(st.sampled_from([0, 0, 400]))
    return document(rate, track(*clips)), media


@pytest.mark.property
@pytest.mark.parametrize("form", formats.FORMATS)
@examples(60, 2000)
@given(data=st.data())
def test_clips_keep_their_frames_at_the_ends_of_their_files(form: str, data: st.DataObject) -> None:
    of, media = data.draw(ends_of_files(form))
    rate = times.exact_rate(of["settings"]["frame_rate"])
    text = written(of, form, media=media)
    texts = [(text, form)]
    if form != "cmx3600":
        timeline = otio.adapters.read_from_string(text, FORMATS_OF_OTIO[form])
        for each in timeline.tracks:
            each.metadata.clear()
            for one in each.find_clips():
                available, shown = one.available_range(), one.source_range
                speed = one.effects[0].time_scalar if one.effects else 1
                played = math.floor(shown.duration.value * speed)
                assert available.start_time <= shown.start_time
                assert shown.start_time.value + played <= available.end_time_exclusive().value
        texts.append((timeline.to_json_string(), "otio"))

    for written_text, as_form in texts:
        back = imported(written_text, as_form, rate, media)

        (shown,), (wanted,) = frames(back, rate), frames(of["tracks"], rate)
        assert [one[:3] for one in shown] == [one[:3] for one in wanted]
        for one, before in zip(back[0]["clips"], of["tracks"][0]["clips"], strict=True):
            assert one["out_point_ms"] <= media[one["media_file_id"]].duration_ms
            speed = max(rate_of(one), 1)
            assert abs(one["in_point_ms"] - before["in_point_ms"]) <= 1.5 * speed * 1000 / rate


FORMATS_OF_OTIO = {"otio": "otio_json", "fcp_xml": "fcp_xml"}


def rate_of(one: dict[str, Any]) -> float:
    return float(next((each["rate"] for each in one["effects"] if each["type"] == "speed"), 1))


def frames(tracks: list[dict[str, Any]], rate: float) -> list[Any]:
    """What plays, in the order of FCP XML, to the frame."""

    def frame(at: int) -> int:
        return times.frame_of(at, rate)

    told = []
    for each in sorted(tracks, key=lambda one: one["type"] == "audio"):
        live = sorted((one for one in each["clips"] if not one["deleted"]), key=starts)
        told.append(
            [
                (
                    one["media_file_id"],
                    frame(one["start_ms"]),
                    frame(end_of(one)),
                    frame(one["in_point_ms"]),
                )
                for one in live
            ]
        )
    return told


def starts(one: dict[str, Any]) -> tuple[int, int]:
    return one["start_ms"], end_of(one)


def without_speed(of: list[Any]) -> list[Any]:
    """The clips as long as they are in their sources, where no dissolve joins them."""
    return [
        {**each, "clips": [one for one in each["clips"] if "speed" not in kinds_of(one)]}
        for each in of
    ]


def kinds_of(one: dict[str, Any]) -> set[str]:
    return {effect["type"] for effect in one["effects"]}


@pytest.mark.property
@examples(150, 4000)
@given(film=films(), rate=RATES, form=st.sampled_from(list(formats.FORMATS)), data=st.data())
def test_any_film_comes_back_or_is_refused_by_name(
    film: Content, rate: float, form: str, data: st.DataObject
) -> None:
    tracks = (
        film.tracks if form == "otio" or data.draw(st.booleans()) else without_speed(film.tracks)
    )
    tracks = tracks[:1] if form == "cmx3600" else tracks
    tracks = [{**each, "clips": [dict(one) for one in each["clips"]]} for each in tracks]
    for one in (one for each in tracks for one in each["clips"]):
        one["deleted"] = not kinds_of(one) & {"cross_fade"} and data.draw(OFF)
    of = document(rate, *tracks)
    if form == "otio":
        assert there_and_back(of, form) == tracks
        return
    names = {kind for each in tracks for one in each["clips"] for kind in kinds_of(one)}
    leave = data.draw(st.sampled_from([[], ["fade_in"], ["effects"]]))
    left, _ = limits.without(tracks, leave)
    refused: dict[str, Any] = {}
    try:
        back = there_and_back({**of, "tracks": left}, form)
    except limits.CannotHoldProblem as exc:
        refused = exc.extra
    if refused:
        told = {each["what"] for each in refused["items"]}
        assert told <= {"effect", "track", "frame_rate", "timeline", "short_clip"}
        assert set(refused["can_leave_out"]) <= names - {*leave, "speed", "cross_fade"}
        return
    exact = times.exact_rate(rate)
    shown = [each for each in frames(left, exact) if each or form == "fcp_xml"]
    assert frames(back, exact) == shown


OFF = st.sampled_from([False, False, False, True])


@given(frame=st.integers(0, 10**7), rate=RATES)
def test_a_frame_is_a_millisecond_that_is_that_frame(frame: int, rate: float) -> None:
    exact = times.exact_rate(rate)

    assert times.frame_of(times.ms_of(times.RationalTime(frame, exact)), exact) == frame


def test_half_a_frame_is_the_later_one() -> None:
    assert [times.frame_of(at, 25) for at in (19, 20, 59, 60)] == [0, 1, 1, 2]
    assert math.isclose(times.exact_rate(29.97), 30000 / 1001)
    assert times.exact_rate(12.5) == 12.5


SPEED = {"type": "speed", "rate": 2.0}
GREY = {"type": "x_grade", "amount": 0.5}


def test_opentimelineio_holds_effects_and_deleted_clips() -> None:
    fast = clip("a", 101, 0, 2003, effects=[SPEED, GREY])
    gone = clip("b", 101, 7, 90, deleted=True, cut={"mode": "gap", "segment_id": None})
    of = document(15, track(fast, gone))

    assert there_and_back(of, "otio") == of["tracks"]


def test_what_a_format_cannot_hold_is_named() -> None:
    fast = clip("a", 0, 0, 2000, effects=[SPEED])
    of = document(15, track(fast, clip("b", 5000, 0, 9)), track(clip("c", 0, 0, 99), name="s"))

    with pytest.raises(limits.CannotHoldProblem) as raised:
        limits.check(of, "cmx3600")

    told = [(each["what"], each.get("clip_id")) for each in raised.value.extra["items"]]
    assert told == [("frame_rate", None), ("effect", "a"), ("short_clip", "b"), ("track", None)]


@pytest.mark.parametrize(
    ("at", "end"), [(3_600_000, 1000), (0, 86_400_000)], ids=["late start", "a day long"]
)
def test_cmx_3600_has_the_times_of_a_day(at: int, end: int) -> None:
    with pytest.raises(limits.CannotHoldProblem):
        limits.check(document(25, track(clip("a", at, 0, end))), "cmx3600")
    limits.check(document(25, track(clip("a", at, 0, end))), "fcp_xml")


def test_an_empty_timeline_is_no_edit_list() -> None:
    with pytest.raises(limits.CannotHoldProblem):
        limits.check(document(25, track()), "cmx3600")
    assert there_and_back(document(25), "otio") == []
    assert there_and_back(document(25, track()), "fcp_xml")[0]["clips"] == []


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize(
    "name", ["<a> & b", "a\nb\0.mp4", "BL", " ", "", "001 \ufffe", "x" * 255, "]]>"]
)
def test_any_names_will_do(name: str, form: str) -> None:
    fade = [{"type": "cross_fade", "duration_ms": 400}]
    clips = [clip("a", 0, 0, 1000), clip("b", 600, 0, 1000, media=OTHER_MEDIA, effects=fade)]
    of = document(25, {**track(*clips), "name": name or "V"})

    assert plain(there_and_back(of, form, name)) == plain(of["tracks"])


def test_a_copied_clip_gets_an_id_of_its_own() -> None:
    ids = conversion.Ids()

    assert ids.take("a") == "a"
    assert UUID(ids.take("a"))
