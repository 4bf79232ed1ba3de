"""Random files of other editors, written without our exports, play as imported as they do there."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentimelineio import opentime, schema
from opentimelineio.opentime import RationalTime, TimeRange

from projects.interchange import foreign, times
from projects.interchange.terms import ForeignTrack, parse_tracks
from tests.properties import examples

pytestmark = pytest.mark.property
RATES = (24, 25, 30, 48, 50, 60, 23.98, 29.97, 59.94)
NAMES = ("a.mov", "b.mov", "c.mov")


@dataclass(frozen=True)
class Shot:
    """A clip as long as any of it is seen, in frames; ``fade`` overlaps the one before."""

    name: str
    start: int
    end: int
    inside: int
    fade: int = 0
    fade_in: int = 0
    fade_out: int = 0
    speed: float = 1
    off: bool = False


@st.composite
def shots(draw: st.DrawFn) -> list[Shot]:
    """A track: cuts, gaps, dissolves of any length, fades, speeds, clips that are not seen."""
    created: list[Shot] = []
    cursor = draw(st.integers(0, 40))
    for _ in range(draw(st.integers(1, 5))):
        length = 2 * draw(st.integers(1, 40))
        last = created[-1] if created else None
        joins = last is not None and not (last.fade_out or last.off or last.speed != 1)
        room = min(last.end - last.start - last.fade - last.fade_in, length) if last else 0
        fade = draw(st.integers(1, room)) if joins and room > 0 and draw(st.booleans()) else 0
        start = cursor - fade + (0 if fade else draw(st.sampled_from([0, 0, 9])))
        free = length - fade
        fade_in = 0 if fade else draw(st.sampled_from([0, 0, min(free // 2, 7)]))
        fade_out = draw(st.sampled_from([0, 0, min((free - fade_in) // 2, 6)]))
        shot = Shot(
            draw(st.sampled_from(NAMES)),
            start,
            start + length,
            draw(st.integers(0, 500)),
            fade,
            fade_in,
            fade_out,
        )
        if not (fade or fade_in or fade_out):
            shot = replace(shot, speed=draw(st.sampled_from([1, 1, 2, 0.5])))
        cursor = shot.end
        created.append(shot)
    return created


def played(tracks: list[ForeignTrack]) -> list[list[tuple[Any, ...]]]:
    return [
        sorted(
            (
                p.begin_ms,
                p.end_ms,
                p.in_ms,
                p.source.names[0],
                p.speed,
                p.enabled,
                p.cross_fade_ms,
                p.fade_in_ms,
                p.fade_out_ms,
            )
            for p in track.pieces
        )
        for track in tracks
    ]


def expected(track: list[Shot], rate: float) -> list[tuple[Any, ...]]:
    def ms(frame: int) -> int:
        return round(frame * 1000 / times.get_exact_rate(rate))

    return sorted(
        (
            ms(shot.start),
            ms(shot.end),
            ms(shot.inside),
            shot.name,
            shot.speed,
            not shot.off,
            ms(shot.start + shot.fade) - ms(shot.start),
            ms(shot.start + shot.fade_in) - ms(shot.start),
            ms(shot.end) - ms(shot.end - shot.fade_out),
        )
        for shot in track
    )


def check(text: str, form: str, rate: float, *tracks: list[Shot]) -> None:
    results = foreign.read(text, form, times.get_exact_rate(rate))
    assert "foreign" not in results
    assert played(parse_tracks(results["tracks"])) == [expected(track, rate) for track in tracks]


def edit_list(track: list[Shot], rate: float, hour: int, *, drop: bool, marks: bool) -> str:
    """The track as CMX 3600, its timecode by OpenTimelineIO's own reckoning."""
    exact = times.get_exact_rate(rate)

    def tc(frame: float) -> str:
        output = opentime.to_timecode(RationalTime(frame, exact), exact, drop)
        return output if marks else output.replace(";", ":")

    tape = f"{hour:02}:00:00{';' if drop else ':'}00"
    origin = opentime.from_timecode(tape, exact).value
    lines = [f"FCM: {'' if drop else 'NON-'}DROP FRAME"]

    def event(
        number: int, reel: str, kind: str, source: int, begin: int, end: int, speed: float = 1
    ) -> None:
        output = (source, source + (end - begin) * speed, origin + begin, origin + end)
        lines.append(f"{number:03}  {reel:8} V     {kind:8} {' '.join(map(tc, output))}")

    for index, shot in enumerate(track):
        number = 2 * index + 1
        after = track[index + 1] if index + 1 < len(track) else None
        end = shot.end - (after.fade if after else 0) - shot.fade_out
        into = shot.fade or shot.fade_in
        if into:
            before = track[index - 1]
            reel = before.name if shot.fade else "BL"
            source = before.inside + shot.start - before.start if shot.fade else 0
            event(number, reel, "C", source, shot.start, shot.start)
        event(
            number,
            shot.name,
            f"D {into:03}" if into else "C",
            shot.inside,
            shot.start,
            end,
            shot.speed,
        )
        if shot.speed != 1:
            lines.append(f"M2   {shot.name}  {shot.speed * round(rate):05.1f}  {tc(shot.inside)}")
        if shot.fade_out:
            source = shot.inside + end - shot.start
            event(number + 1, shot.name, "C", source, end, end)
            event(number + 1, "BL", f"D {shot.fade_out:03}", 0, end, shot.end)
    return "\n".join(lines)


@examples(100, 3000)
@given(track=shots(), rate=st.sampled_from(RATES), hour=st.integers(0, 20), data=st.data())
def test_an_edit_list_plays_as_it_says(
    track: list[Shot], rate: float, hour: int, data: st.DataObject
) -> None:
    drop = rate in (29.97, 59.94) and data.draw(st.booleans())
    text = edit_list(track, rate, hour, drop=drop, marks=data.draw(st.booleans()))

    check(text, "cmx3600", rate, track)


def xml_rate(rate: float) -> str:
    ntsc = "FALSE" if rate == round(rate) else "TRUE"
    return f"<rate><timebase>{round(rate)}</timebase><ntsc>{ntsc}</ntsc></rate>"


def xml_track(draw: Any, track: list[Shot], rate: float, told: set[str]) -> str:
    """A track whose clips leave their times to transitions, or tell them, as it happens."""
    parts: list[str] = []

    def dissolve(start: int, end: int, align: str) -> None:
        name = draw(st.sampled_from(["Cross Dissolve", "Cross Fade (+3dB)"]))
        parts.append(
            f"<transitionitem>{xml_rate(rate)}<start>{start}</start><end>{end}</end>"
            f"<alignment>{align}</alignment><effect><name>{name}</name></effect>"
            "</transitionitem>"
        )

    for index, shot in enumerate(track):
        after = track[index + 1] if index + 1 < len(track) else None
        into = shot.fade or shot.fade_in
        if into:
            align = draw(st.sampled_from(["center", "start", "end"]))
            dissolve(shot.start, shot.start + into, align if shot.fade else "start-black")
        remaining = after.fade if after else 0
        start = draw(st.sampled_from([shot.start, -1])) if into else shot.start
        end = draw(st.sampled_from([shot.end, -1])) if remaining or shot.fade_out else shot.end
        double = draw(st.sampled_from([1, 2]))
        inside, length = shot.inside * double, (shot.end - shot.start) * double
        file = f"<file id='{shot.name}'/>"
        if shot.name not in told:
            told.add(shot.name)
            file = f"<file id='{shot.name}'><pathurl>file:///x/{shot.name}</pathurl></file>"
        enabled = "<enabled>FALSE</enabled>" if shot.off else ""
        own_rate = xml_rate(rate).replace(f">{round(rate)}<", f">{double * round(rate)}<")
        parts.append(
            f"<clipitem>{enabled}{own_rate}<start>{start}</start><end>{end}</end>"
            f"<in>{inside}</in><out>{inside + length}</out>{file}</clipitem>"
        )
        if shot.fade_out:
            dissolve(shot.end - shot.fade_out, shot.end, "end-black")
    return f"<track>{''.join(parts)}</track>"


@examples(100, 3000)
@given(
    tracks=st.lists(shots(), min_size=1, max_size=3), rate=st.sampled_from(RATES), data=st.data()
)
def test_a_sequence_of_fcp_xml_plays_as_it_says(
    tracks: list[list[Shot]], rate: float, data: st.DataObject
) -> None:
    tracks = [[replace(shot, speed=1) for shot in track] for track in tracks]
    plain = [[replace(shot, off=data.draw(OFF)) for shot in track] for track in tracks]
    plain = [track if seen_together(track) else tracks[index] for index, track in enumerate(plain)]
    kinds = sorted(data.draw(st.lists(KINDS, min_size=len(plain), max_size=len(plain))))
    order = data.draw(st.sampled_from([("audio", "video"), ("video", "audio")]))
    media, target, output = "", [], set[str]()
    for kind in order:
        of_kind = [track for track, name in zip(plain, kinds, strict=True) if name == kind]
        inside = "".join(xml_track(data.draw, track, rate, output) for track in of_kind)
        media += f"<{kind}>{inside}</{kind}>"
        target += of_kind
    text = f"<xmeml><sequence>{xml_rate(rate)}<media>{media}</media></sequence></xmeml>"

    check(text, "fcp_xml", rate, *target)


OFF = st.sampled_from([False, False, False, True])
KINDS = st.sampled_from(["video", "audio"])


def seen_together(track: list[Shot]) -> bool:
    """Whether both clips of each dissolve are seen, or neither."""
    return all(not after.fade or before.off == after.off for before, after in pairwise(track))


def timeline_clip(draw: Any, shot: Shot, at: Any, cut: int, length: int) -> schema.Clip:
    """A clip from its cut on; its file may have a timecode of its own."""
    tape = draw(st.sampled_from([0, 90_000]))
    file = schema.ExternalReference(f"x/{shot.name}", TimeRange(at(tape), at(10_000)))
    inside = TimeRange(at(tape + shot.inside + cut * shot.speed), at(length))
    clip = schema.Clip(media_reference=file, source_range=inside)
    clip.enabled = not shot.off
    if shot.speed != 1:
        clip.effects.append(schema.LinearTimeWarp(time_scalar=shot.speed))
    return clip


def timeline_track(draw: Any, track: list[Shot], rate: float) -> schema.Track:
    """A track whose cuts lie anywhere within its dissolves, trimmed as it happens."""
    new_track = schema.Track(kind="Video")
    cursor, cut = 0, 0

    def at(frame: float) -> RationalTime:
        return RationalTime(frame, rate)

    def dissolve(into: int, out: int) -> None:
        kind = schema.TransitionTypes.SMPTE_Dissolve
        new_track.append(
            schema.Transition(transition_type=kind, in_offset=at(into), out_offset=at(out))
        )

    for index, shot in enumerate(track):
        after = track[index + 1] if index + 1 < len(track) else None
        if shot.start > cursor:
            new_track.append(schema.Gap(source_range=TimeRange(at(0), at(shot.start - cursor))))
        if shot.fade_in:
            new_track.append(schema.Gap(source_range=TimeRange(at(0), at(0))))
            dissolve(0, shot.fade_in)
        cut = 0 if not shot.fade else cut
        tail = after.fade if after else 0
        next_cut = draw(st.integers(0, tail))
        begin, end = shot.start + cut, shot.end - tail + next_cut
        new_track.append(timeline_clip(draw, shot, at, cut, end - begin))
        if shot.fade_out:
            dissolve(shot.fade_out, 0)
            new_track.append(schema.Gap(source_range=TimeRange(at(0), at(0))))
        if tail:
            dissolve(next_cut, tail - next_cut)
        cursor, cut = shot.end, next_cut
    return new_track


@examples(100, 3000)
@given(track=shots(), rate=st.sampled_from(RATES), data=st.data())
def test_a_timeline_of_opentimelineio_plays_as_it_says(
    track: list[Shot], rate: float, data: st.DataObject
) -> None:
    off = [replace(shot, off=data.draw(OFF)) for shot in track]
    track = off if seen_together(off) else track
    timeline = schema.Timeline()
    timeline.tracks.append(timeline_track(data.draw, track, times.get_exact_rate(rate)))

    check(timeline.to_json_string(), "otio", rate, track)


@examples(60, 2000)
@given(track=shots(), first=st.integers(0, 200), length=st.integers(1, 200), data=st.data())
def test_a_source_range_shows_a_part_or_is_refused(
    track: list[Shot], first: int, length: int, data: st.DataObject
) -> None:
    timeline = schema.Timeline()
    created = timeline_track(data.draw, track, 25.0)
    trimmed = data.draw(st.sampled_from([created, timeline.tracks]))
    trimmed.source_range = TimeRange(RationalTime(first, 25), RationalTime(length, 25))
    timeline.tracks.append(created)

    results = foreign.read(timeline.to_json_string(), "otio", 25.0)

    if "foreign" in results:
        assert {item["what"] for item in results["foreign"]} == {"trim"}
        return
    (read,) = parse_tracks(results["tracks"])
    for frame in range(length):
        assert showing(read, frame * 40) == frames_of(track, first + frame), frame
    assert max((piece.end_ms for piece in read.pieces), default=0) <= length * 40


def showing(track: ForeignTrack, at: int) -> list[tuple[str, int]]:
    """What is seen at a time, and where in its file."""
    return [
        (piece.source.names[0], round(piece.in_ms + (at - piece.begin_ms) * piece.speed))
        for piece in track.pieces
        if piece.begin_ms <= at < piece.end_ms
    ]


def frames_of(track: list[Shot], frame: int) -> list[tuple[str, int]]:
    return [
        (shot.name, round((shot.inside + (frame - shot.start) * shot.speed) * 40))
        for shot in track
        if shot.start <= frame < shot.end
    ]
