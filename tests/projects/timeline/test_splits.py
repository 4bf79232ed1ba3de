"""A clip that is divided, however often and wherever, is the same film."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from gpu_tasks.render.contract import Captions, Output
from gpu_tasks.render.contract.segments import Ramp, RenderPlan, RenderSegment, plan_render
from media.models import MediaFile
from projects.rendering import timelines
from projects.timeline.content import CLIP, PERMILLE, TRACK, Content, EditError, duration_of
from projects.timeline.dividing import halves, joined_with, trimmed
from tests.projects.timeline.films import films
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, after, clip
from tests.properties import examples

PURE = examples(150, 2000)
RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60"]


@st.composite
def clips(draw: st.DrawFn) -> dict[str, Any]:
    """A clip of any speed whose length fits its source in any way."""
    permille = draw(st.sampled_from([100, 333, 999, 1000, 1001, 1333, 1337, 2000, 10_000]))
    source = draw(st.one_of(st.integers(1, 40), st.integers(41, 20_000)))
    lengths = {source * PERMILLE // permille, -(-source * PERMILLE // permille)} - {0}
    effects = [{"type": "speed", "rate": permille / PERMILLE}]
    return clip(
        "a",
        draw(st.integers(0, 3000)),
        500,
        500 + source,
        effects=effects,
        duration_ms=draw(st.sampled_from(sorted(lengths))),
    )


@pytest.mark.property
@PURE
@given(clips(), st.data())
def test_parts_fit_and_are_the_whole(whole: dict[str, Any], data: st.DataObject) -> None:
    offset = data.draw(st.integers(1, max(1, whole["duration_ms"] - 1)))
    slow = whole["effects"][0]["rate"] < 1

    parts = halves(whole, offset, "b") if whole["duration_ms"] > 1 else None

    if parts is None:
        assert whole["duration_ms"] < 2 or whole["out_point_ms"] - whole["in_point_ms"] < 2
        return
    for part in parts:
        CLIP.validate_python(part)
    left, right = parts
    assert left["duration_ms"] + right["duration_ms"] == whole["duration_ms"]
    assert left["start_ms"] + left["duration_ms"] == right["start_ms"]
    assert slow or left["duration_ms"] == offset
    assert joined_with(left, right) == whole


@pytest.mark.property
@PURE
@given(clips(), st.data())
def test_an_edge_that_is_not_trimmed_stays(whole: dict[str, Any], data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, whole["out_point_ms"] - 1))
    end = data.draw(st.integers(whole["in_point_ms"] + 1, 30_000))
    stop = whole["start_ms"] + whole["duration_ms"]

    for first, last in ((begin, whole["out_point_ms"]), (whole["in_point_ms"], end)):
        start, duration = trimmed(whole, first, last)
        if duration:
            fields = {"start_ms": start, "duration_ms": duration}
            made = whole | fields | {"in_point_ms": first, "out_point_ms": last}
            if start >= 0:
                CLIP.validate_python(made)
            assert start + duration == stop if last == whole["out_point_ms"] else True
            assert start == whole["start_ms"] if first == whole["in_point_ms"] else True
    assert trimmed(whole, whole["in_point_ms"], whole["out_point_ms"]) == (
        whole["start_ms"],
        whole["duration_ms"],
    )


CUTS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 10**6)), min_size=1, max_size=12)


def divided(film: Content, cuts: list[tuple[int, int]]) -> Content:
    """The film, its clips split there; where that cannot be, it is left."""
    for number, where in cuts:
        every = [each for one in film.tracks for each in one["clips"]]
        chosen = every[number % len(every)]
        at = chosen["start_ms"] + where % chosen["duration_ms"]
        wanted = {"op": "split_clip", "clip_id": chosen["id"], "at_ms": at}
        with contextlib.suppress(EditError, ValidationError):  # at an edge, or within a dissolve
            film = after(film, wanted)
    return film


def timeline_of(film: Content) -> Any:
    """What is rendered of it."""
    media = {
        media_id: MediaFile(
            pk=uuid.UUID(media_id), name="m", r2_key=media_id, metadata={"has_audio": True}
        )
        for media_id in (MEDIA, OTHER_MEDIA)
    }
    document = {"tracks": film.tracks, "transcript": {"segments": film.segments}}
    return timelines._build_timeline(document, media, with_captions=True)


def planned(film: Content, rate: str) -> RenderPlan:
    output = Output(format="mp4", width=96, height=48, frame_rate=rate, captions=Captions.BURNED)
    return plan_render(timeline_of(film), output)


@pytest.mark.property
@PURE
@given(films(), CUTS, st.sampled_from(RATES))
def test_a_split_changes_no_frame_and_no_sample(
    film: Content, cuts: list[tuple[int, int]], rate: str
) -> None:
    parts = divided(film, cuts)

    assert duration_of(parts.tracks) == duration_of(film.tracks)
    for each in parts.tracks:
        TRACK.validate_python(each)
    assert planned(parts, rate) == planned(film, rate)


def marked(film: Content) -> Content:
    """Each clip with an effect of its own, so that none is taken for a part of another."""
    tracks = [
        {
            **one,
            "clips": [
                {**each, "effects": [*each["effects"], {"type": "x_mark", "name": each["id"]}]}
                for each in one["clips"]
            ],
        }
        for one in film.tracks
    ]
    return replace(film, tracks=tracks)


def level(ramps: tuple[Ramp, ...], frame: int) -> tuple[Fraction, Fraction]:
    """How much of a piece there is at a frame, and how much that changes in a frame."""
    found, step = Fraction(1), Fraction(0)
    for ramp in ramps:
        share = min(Fraction(1), max(Fraction(0), Fraction(frame - ramp.first, ramp.length)))
        found *= share if ramp.rising else 1 - share
        step += Fraction(1, ramp.length)
    return found, step


def shown(segments: tuple[RenderSegment, ...], rate: Fraction) -> Iterator[list[tuple[Any, ...]]]:
    """At each frame: source, its time, and how much of it there is, from the lowest on."""
    for segment in segments:
        for frame in range(segment.length):
            yield [
                (
                    piece.source,
                    piece.gain_db,
                    piece.speed,
                    piece.at + (frame - piece.first) / rate * piece.speed,
                    *level(piece.ramps, frame),
                )
                for piece in segment.pieces
                if piece.first <= frame < piece.end
            ]


@pytest.mark.property
@examples(40, 1000)
@given(films(), CUTS, st.sampled_from(RATES))
def test_parts_that_stay_apart_show_and_sound_as_the_whole_did(
    film: Content, cuts: list[tuple[int, int]], rate: str
) -> None:
    """Within what rounding may change: milliseconds of the source, a frame's step of a fade."""
    frames = Fraction(rate)
    whole, parts = planned(film, rate), planned(marked(divided(film, cuts)), rate)
    for before, now in ((whole.pictures, parts.pictures), (whole.sound, parts.sound)):
        for one, other in zip(shown(before, frames), shown(now, frames), strict=True):
            assert [each[:3] for each in one] == [each[:3] for each in other]
            for (*_, speed, at, much, step), (*_, at_now, much_now, step_now) in zip(
                one, other, strict=True
            ):
                assert abs(at - at_now) <= Fraction(5, 1000) * max(1, speed)
                assert abs(much - much_now) <= max(step, step_now)
