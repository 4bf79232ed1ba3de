"""Captions of long films: found in one pass, and no more of them than an answer may hold."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.collection import Collection
from rest_framework.test import APIClient

from projects import captions
from projects.models import Project
from projects.timeline.content import all_clips
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, clip, segment, track
from tests.steps import steps

SPEEDS: tuple[list[Any], ...] = ([], [{"type": "speed", "rate": 2}])
CLIPS = st.builds(
    lambda start, begin, length, speed, media, deleted: (
        clip("c", start, begin, begin + length, effects=SPEEDS[speed], media=media)
        | {"deleted": deleted}
    ),
    *(st.integers(0, 40).map(lambda n: 250 * n), st.integers(0, 40).map(lambda n: 250 * n)),
    *(st.integers(1, 20).map(lambda n: 250 * n), st.sampled_from([0, 1])),
    *(st.sampled_from([MEDIA, OTHER_MEDIA]), st.booleans()),
)
SEGMENTS = st.builds(
    lambda start, text, media: segment("s", start, text, media=media),
    *(st.integers(0, 40).map(lambda n: 250 * n), st.sampled_from(["a", "a a a", "a b c d e f"])),
    st.sampled_from([MEDIA, OTHER_MEDIA]),
)


def by_all_pairs(document: Any) -> list[captions.SpokenWord]:
    """Each word looked for in each clip."""
    clips = [clip_row for clip_row in all_clips(document["tracks"]) if not clip_row["deleted"]]
    segments = document["transcript"]["segments"]
    played = {
        captions._move_word(word, clip_row): None
        for index, first in enumerate(segments)
        for word in captions.list_segment_words(index, first)
        for clip_row in clips
        if clip_row["media_file_id"] == first["media_file_id"]
        and clip_row["in_point_ms"] <= (word.start_ms + word.end_ms) // 2 < clip_row["out_point_ms"]
    }
    return sorted(played, key=lambda word: (word.start_ms, word.segment))


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(st.lists(st.lists(CLIPS, max_size=6), max_size=3), st.lists(SEGMENTS, max_size=5))
def test_one_pass_finds_what_all_pairs_do(lists: list[Any], segments: list[Any]) -> None:
    document = {
        "tracks": [track(*clips, name=str(index)) for index, clips in enumerate(lists)],
        "transcript": {"segments": segments},
    }

    assert captions.list_words(document, "timeline") == by_all_pairs(document)


def film(size: int, *, copies: int = 1) -> Any:
    """As many clips as segments of ten words, one behind the other; all of it ``copies`` times."""
    texts = [segment(f"s{n}", n * 5000, "a " * 10) for n in range(size)]
    clips = [
        clip(f"c{n}.{copy}", (n + copy * size) * 5000, n * 5000, n * 5000 + 5000)
        for copy in range(copies)
        for n in range(size)
    ]
    return {"tracks": [track(*clips)], "transcript": {"segments": texts}}


def test_twice_the_film_is_twice_the_work() -> None:
    once, twice = (
        steps(lambda: captions.build_styled_cues(film(size), None))  # noqa: B023 - used at once
        for size in (50, 100)
    )

    assert twice < 2.2 * once


def test_as_many_words_as_the_bound_are_told_and_not_one_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = film(10, copies=3)
    monkeypatch.setattr(captions, "MAX_WORDS", 300)

    assert len(captions.list_words(document)) == 300
    monkeypatch.setattr(captions, "MAX_WORDS", 299)
    with pytest.raises(captions.TooMuchSpokenProblem):
        captions.list_words(document)


@pytest.mark.parametrize("times", ["timeline", "source"])
def test_their_letters_are_bounded_with_the_speakers(
    monkeypatch: pytest.MonkeyPatch, times: captions.Times
) -> None:
    document = film(10)
    monkeypatch.setattr(captions, "MAX_CHARACTERS", 100 * len("aSpeaker 1"))

    assert len(captions.list_words(document, times)) == 100
    monkeypatch.setattr(captions, "MAX_CHARACTERS", 100 * len("aSpeaker 1") - 1)
    with pytest.raises(captions.TooMuchSpokenProblem):
        captions.list_words(document, times)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["srt", "vtt", "txt", "json"])
def test_a_thousand_clips_of_two_thousand_words_are_refused_by_name(
    api: APIClient, project: Project, edls: Collection[dict[str, Any]], kind: str
) -> None:
    texts = [segment(f"s{n}", n * 10, "a " * 10) for n in range(200)]
    tracks = [track(*(clip(f"c{n}", n * 7000, 0, 7000) for n in range(1000)))]
    changed = {"transcript.segments": texts, "tracks": tracks}
    edls.update_one({"project_id": str(project.pk)}, {"$set": changed})
    began = time.process_time()

    answer = api.get(f"/projects/{project.pk}/transcript.{kind}")

    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_words")
    assert time.process_time() - began < 3  # it was half a minute


@pytest.mark.django_db
def test_a_text_of_endless_words_is_refused_as_well(
    api: APIClient, project: Project, edls: Collection[dict[str, Any]]
) -> None:
    texts = [segment(f"s{n}", n, "x") | {"edited_text": "a " * 10_000} for n in range(20)]
    changed = {"transcript.segments": texts}
    edls.update_one({"project_id": str(project.pk)}, {"$set": changed})

    answer = api.get(f"/projects/{project.pk}/transcript.vtt")

    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_words")
