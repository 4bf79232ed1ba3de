"""Sound that an audio track plays is not heard from the clip as well at that time."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gpu_tasks.render.contract import Timeline, subtract_spans
from gpu_tasks.render.contract.frames import list_audible_clips, list_frame_clips
from gpu_tasks.render.contract.segments import SOUND, plan_render
from projects.rendering import timelines
from tests.gpu_tasks.render.calls import clip as rendered_clip
from tests.gpu_tasks.render.calls import output, timeline
from tests.projects.timeline.making import MEDIA, clip, track
from tests.properties import examples

FILM = Path("film.mp4")
RATE = Fraction(25)
stretches = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=6)


def detached(*spans: tuple[int, int]) -> Timeline:
    """A film of four seconds whose sound is played elsewhere for some time."""
    created = timeline([FILM], [rendered_clip(0, 0, 4000, sounds=True)])
    source = created.sources[0].model_copy(update={"detached": spans})
    return created.model_copy(update={"sources": (source,)})


@given(stretches, st.tuples(st.integers(0, 60), st.integers(1, 9)))
@examples(200, 2000)
def test_a_clip_sounds_whenever_no_audio_track_plays_its_file(
    others: list[tuple[int, int]], one: Any
) -> None:
    clips = [clip(str(n), start, 0, length) for n, (start, length) in enumerate(others)]
    start, length = one
    spans = timelines._list_detached_spans([track(*clips, kind="audio")]).get(MEDIA, [])
    heard = list(subtract_spans(spans, start, start + length))
    elsewhere = {at for begin, more in others for at in range(begin, begin + more)}
    assert {at for span in heard for at in range(*span)} == (
        set(range(start, start + length)) - elsewhere
    )
    assert all(begin < end for begin, end in heard)


def test_parts_begin_and_end_at_the_frames_where_the_other_clip_does() -> None:
    created = detached((1013, 1999), (2500, 2519))
    whole = list_frame_clips(created.tracks[0], RATE)
    parts = list(list_audible_clips(created.tracks[0], whole, created.sources, RATE))
    assert [(part.first, part.end) for part in parts] == [(0, 25), (50, 100)]
    assert [part.at for part in parts] == [0, 2]


def test_what_is_played_elsewhere_all_the_time_is_not_heard() -> None:
    assert detached((0, 3999)).is_audible
    assert not detached((0, 4000)).is_audible
    assert not plan_render(detached((0, 4000)), output()).sound


def test_no_segment_opens_too_many_parts_of_a_clip() -> None:
    spans = [(at, at + 40) for at in range(40, 4000, 80)]
    planned = plan_render(detached(*spans), output())
    counts = [len(segment.pieces) for segment in planned.sound]
    assert sum(counts) == 50
    assert max(counts) <= SOUND.most_pieces
