"""Segments: what they are cut by, and whose names stay when something changes."""

import random
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

from gpu_tasks.render.contract import (
    MAX_OUTPUT_MS,
    MAX_RATE,
    Captions,
    Clip,
    Cue,
    Format,
    Output,
    Timeline,
)
from gpu_tasks.render.contract.frames import get_frame, list_frame_clips
from gpu_tasks.render.contract.segments import PICTURES, SOUND, RenderPlan, plan_render
from tests.gpu_tasks.render.calls import clip, output, timeline

FILES = [Path(f"{number}.mp4") for number in range(5)]
RATE = Fraction(25)


def film_of(clips: int, seed: int = 1, step_ms: int = 1, **more: object) -> list[Clip]:
    """Clips of a third to five seconds, one behind the other."""
    chance = random.Random(seed)
    product, at = [], 0
    for _ in range(clips):
        length = chance.randrange(320, 5000) // step_ms * step_ms
        source, begin = chance.randrange(len(FILES)), chance.randrange(60_000)
        product.append(clip(source, at, at + length, begin, **more))
        at += length
    return product


def moved(clips: list[Clip], by_ms: int) -> list[Clip]:
    return [
        item.model_copy(update={"start_ms": item.start_ms + by_ms, "end_ms": item.end_ms + by_ms})
        for item in clips
    ]


def names(planned: RenderPlan) -> tuple[list[str], list[str]]:
    return [item.name for item in planned.pictures], [item.name for item in planned.sound]


def new_names(before: RenderPlan, after: RenderPlan) -> int:
    return len(after.segments.keys() - before.segments.keys())


def test_segments_cover_the_film_once():
    planned = plan_render(timeline(FILES, film_of(300, sounds=True)), output())
    for segments in (planned.pictures, planned.sound):
        assert sum(item.length for item in segments) == planned.frames
    assert planned.frames == get_frame(timeline(FILES, film_of(300)).duration_ms, RATE)


def test_segments_are_neither_short_nor_long():
    planned = plan_render(timeline(FILES, film_of(300, sounds=True)), output())
    for segments, bounds in ((planned.pictures, PICTURES), (planned.sound, SOUND)):
        lengths = [item.length / 25 for item in segments]
        assert min(lengths[:-1]) >= bounds.least_seconds
        assert max(lengths) <= bounds.most_seconds


def test_a_long_take_is_cut_as_well():
    planned = plan_render(timeline(FILES, [clip(0, 0, 600_000)]), output())
    assert max(item.length for item in planned.pictures) <= PICTURES.most_seconds * 25


def test_no_segment_opens_too_many_clips():
    short = [clip(n % 5, n * 100, n * 100 + 100, n * 1000) for n in range(500)]
    planned = plan_render(timeline(FILES, short), output())
    assert max(len(item.pieces) for item in planned.pictures) <= PICTURES.most_pieces
    assert sum(item.length for item in planned.pictures) == 1250


def test_more_tracks_than_that_are_rendered_all_the_same():
    tracks = [[clip(0, 0, 8000, n), clip(1, 8000, 12_000, n)] for n in range(40)]
    planned = plan_render(timeline(FILES, *tracks), output())
    assert sum(item.length for item in planned.pictures) == 300
    assert max(len(item.pieces) for item in planned.pictures) >= 40


def test_names_do_not_depend_on_the_time_of_the_day_or_the_order_of_sources():
    clips = film_of(50, sounds=True)
    item = timeline(FILES, clips)
    turned = [entry.model_copy(update={"source": 4 - entry.source}) for entry in clips]
    other = timeline(FILES[::-1], turned)
    assert names(plan_render(item, output())) == names(plan_render(other, output()))


@pytest.mark.parametrize("position", [0, 60, 119])
def test_a_change_of_one_clip_renames_only_its_segments(position: int):
    clips = film_of(120)
    before = plan_render(timeline(FILES, clips), output())
    changed = clips[position].model_copy(update={"in_ms": clips[position].in_ms + 400})
    after = plan_render(
        timeline(FILES, [*clips[:position], changed, *clips[position + 1 :]]), output()
    )
    assert 1 <= new_names(before, after) <= 3
    assert len(after.pictures) > 30


@pytest.mark.parametrize("frames", [1, 19, 125])
def test_what_is_moved_by_whole_frames_keeps_its_names(frames: int):
    by_ms = frames * 40
    clips = film_of(120, step_ms=40)
    before = plan_render(timeline(FILES, clips), output())
    longer = clips[10].model_copy(update={"end_ms": clips[10].end_ms + by_ms})
    after = plan_render(timeline(FILES, [*clips[:10], longer, *moved(clips[11:], by_ms)]), output())
    # Cuts are found again within a few segments behind it.
    assert new_names(before, after) <= 4
    assert len(after.segments) > 30


def test_louder_music_renames_no_pictures():
    clips = film_of(30)
    music = clip(4, 0, clips[-1].end_ms, sounds=True)
    louder = music.model_copy(update={"gain_db": 3.0})
    below = [clips, [music]]
    before = plan_render(_with_music(below), output())
    after = plan_render(_with_music([clips, [louder]]), output())
    assert before.pictures == after.pictures
    assert not {item.name for item in before.sound} & {item.name for item in after.sound}


def _with_music(tracks: list[list[Clip]]) -> Timeline:
    whole = timeline(FILES, *tracks)
    heard = whole.tracks[1].model_copy(update={"shows": False})
    return whole.model_copy(update={"tracks": (whole.tracks[0], heard)})


def test_a_split_changes_nothing():
    whole = clip(0, 1000, 9000, 2345, sounds=True)
    parts = [
        clip(0, 1000, 4321, 2345, sounds=True),
        clip(0, 4321, 9000, 2345 + 3321, sounds=True),
    ]
    assert plan_render(timeline(FILES, [whole]), output()) == plan_render(
        timeline(FILES, parts), output()
    )


def test_parts_of_different_loudness_play_on_in_step():
    parts = [
        clip(0, 1000, 4321, 2345, sounds=True),
        clip(0, 4321, 9000, 2345 + 3321, sounds=True, gain_db=-6.0),
    ]
    item, other = list_frame_clips(timeline(FILES, parts).tracks[0], RATE)
    assert other.at == item.at_frame(other.first, RATE)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 98},
        {"height": 50},
        {"frame_rate": "30"},
        {"proxy": True},
        {"format": Format.WEBM},
    ],
)
def test_other_settings_are_other_pictures(change: dict[str, object]):
    expected = timeline(FILES, film_of(5))
    item, other = plan_render(expected, output()), plan_render(expected, output(**change))
    assert not item.segments.keys() & other.segments.keys()


def test_loudness_and_embedded_captions_change_no_segment():
    expected = timeline(FILES, film_of(5), cues=(Cue(start_ms=0, end_ms=900, text="Hello"),))
    other = output(loudness_lufs=-14.0, captions=Captions.EMBEDDED)
    assert plan_render(expected, output()) == plan_render(expected, other)


def test_a_caption_renames_the_segments_that_show_it():
    clips = film_of(60)
    burned = output(captions=Captions.BURNED)
    cues = [Cue(start_ms=n * 2000, end_ms=n * 2000 + 1500, text=f"Words {n}") for n in range(60)]
    before = plan_render(timeline(FILES, clips, cues=tuple(cues)), burned)
    cues[30] = Cue(start_ms=60_000, end_ms=61_500, text="Other words")
    after = plan_render(timeline(FILES, clips, cues=tuple(cues)), burned)
    assert new_names(before, after) <= 2
    visible = {item.text for segment in after.pictures for item in segment.words}
    assert visible == {cue.text for cue in cues}


def test_sped_sound_is_not_cut_where_it_can_be_helped():
    fast = [
        clip(0, n * 9000, n * 9000 + 9000, 0, speed_permille=1100, sounds=True) for n in range(20)
    ]
    planned = plan_render(timeline(FILES, fast), output())
    assert len(planned.sound) > 2
    assert all(piece.since == 0 for segment in planned.sound for piece in segment.pieces)


def test_ntsc_sound_is_cut_at_whole_samples():
    planned = plan_render(
        timeline(FILES, film_of(100, sounds=True)), output(frame_rate="30000/1001")
    )
    assert all(item.length % 5 == 0 for item in planned.sound[:-1])


def test_a_clip_shorter_than_a_frame_is_left_out():
    assert list_frame_clips(
        timeline(FILES, [clip(0, 5, 15), clip(1, 1000, 2000)]).tracks[0], RATE
    ) == [list_frame_clips(timeline(FILES, [clip(1, 1000, 2000)]).tracks[0], RATE)[0]]


def test_a_timeline_has_its_bounds():
    assert timeline(FILES, [clip(0, 0, MAX_OUTPUT_MS)]).duration_ms == MAX_OUTPUT_MS
    for wrong in ([clip(0, 0, MAX_OUTPUT_MS + 1)], [], [clip(5, 0, 10)]):
        with pytest.raises(ValidationError):
            timeline(FILES, wrong)
    with pytest.raises(ValidationError):
        timeline(FILES, [clip(0, 10, 20), clip(0, 0, 10)])
    with pytest.raises(ValidationError):
        clip(0, 10, 10)


def test_an_output_has_its_bounds():
    assert output(frame_rate=str(MAX_RATE)).rate == MAX_RATE
    fields = {"format": Format.MP4, "width": 96, "height": 48, "frame_rate": "25"}
    for wrong in (
        {"width": 97},
        {"height": 14},
        {"width": 8194},
        {"frame_rate": str(MAX_RATE + 1)},
        {"frame_rate": "1/2"},
        {"frame_rate": "25/0"},
        {"loudness_lufs": -40.0},
    ):
        with pytest.raises(ValidationError):
            Output.model_validate({**fields, **wrong})


def test_two_thousand_clips_on_ten_tracks_are_planned_whole():
    tracks = [film_of(200, seed) for seed in range(10)]
    planned = plan_render(timeline(FILES, *tracks), output())
    pieces = sum(len(item.pieces) for item in planned.pictures)
    assert pieces >= 2000
    assert sum(item.length for item in planned.pictures) == planned.frames
