"""Pauses between words cut out of a film: which count, and what is left."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rest_framework.test import APIClient

from media.models import MediaFile
from projects import documents
from projects.models import Project
from projects.timeline import changes, source_ranges
from projects.timeline.content import Content
from projects.timeline.draft import Draft, Removed
from tests.projects.timeline.asking import errors, operate, put, tracks, url
from tests.projects.timeline.films import talks, undissolved
from tests.projects.timeline.making import (
    OTHER_MEDIA,
    after,
    clip,
    content,
    parsed,
    pictures,
    playing,
    refused,
    same,
    segment,
    track,
    word,
)
from tests.properties import examples

OP = {"op": "cut_silences"}


def said(*times: tuple[int, int], name: str = "s", **more: Any) -> dict[str, Any]:
    """A segment with a word at each of these times."""
    words = [word(f"w{index}", *each) for index, each in enumerate(times)]
    ends = {"start_ms": times[0][0], "end_ms": times[-1][1]}
    return {**segment(name, 0, "w"), **ends, "words": words, **more}


PAUSED = said((500, 1000), (2000, 2400), (2500, 3000))  # a second, and a tenth of one


def film(*segments: dict[str, Any]) -> Content:
    return content(track(clip("a", 0, 0, 9000)), segments=list(segments))


def removed(before: Content, **more: Any) -> Removed:
    draft = Draft(before)
    for each in parsed({**OP, **more}):
        each.apply(draft)
    (found,) = draft.removed
    return found


def test_a_long_pause_is_cut_down_to_its_two_sides() -> None:
    made = after(film(PAUSED), OP)

    assert playing(made) == [(0, 0, 1100), (1100, 1900, 9000)]
    assert made.segments == [PAUSED]
    assert removed(film(PAUSED)) == Removed("cut_silences", 1, 800)


def test_the_gap_may_be_left() -> None:
    assert playing(after(film(PAUSED), {**OP, "mode": "gap"})) == [(0, 0, 1100), (1900, 1900, 9000)]


@pytest.mark.parametrize(
    ("threshold", "padding", "cut_ms"),
    [
        (1000, 100, 0),
        (999, 100, 800),
        (700, 0, 1000),
        (700, 499, 2),
        (700, 500, 0),
        (99, 0, 1100),
        (100, 0, 1000),
    ],
)
def test_only_longer_pauses_are_cut(threshold: int, padding: int, cut_ms: int) -> None:
    found = removed(film(PAUSED), threshold_ms=threshold, padding_ms=padding)

    assert found.cut_ms == cut_ms


def test_pauses_between_segments_and_speakers_are_pauses_too() -> None:
    first, second = said((0, 400)), said((1600, 2000), name="t", speaker="B")

    assert playing(after(film(second, first), OP)) == [(0, 0, 500), (500, 1500, 9000)]


def test_nothing_is_cut_while_anybody_speaks() -> None:
    other = said((900, 2100), name="t", speaker="B")
    unworded = {**said((900, 2100), name="u"), "words": []}

    assert removed(film(PAUSED, other)).count == 0
    assert removed(film(PAUSED, unworded)).count == 0


def test_deleted_words_are_no_pause() -> None:
    before = film(said((0, 400), (500, 2000), (2100, 2500)))
    gone = after(before, {"op": "delete_words", "segment_id": "s", "first": 1})

    assert removed(gone).count == 0


def test_before_the_first_word_and_behind_the_last_all_stays() -> None:
    assert playing(after(film(said((4000, 4500))), OP)) == [(0, 0, 9000)]


def test_all_tracks_are_cut_each_for_itself_and_counted_once() -> None:
    two = content(
        track(clip("a", 0, 0, 3000)),
        track(clip("b", 0, 500, 1500), clip("c", 1000, 0, 300, media=OTHER_MEDIA), name="s"),
        segments=[PAUSED],
    )

    made = after(two, OP)

    assert playing(made, 0) == [(0, 0, 1100), (1100, 1900, 3000)]
    assert playing(made, 1) == [(0, 500, 1100), (600, 0, 300)]
    assert removed(two) == Removed("cut_silences", 1, 800)


def test_a_cut_pause_comes_back_by_itself_but_not_with_the_words() -> None:
    cut = after(film(PAUSED), OP)
    (ghost,) = [each for each in cut.tracks[0]["clips"] if each["deleted"]]

    words = {"segment_id": "s", "first": 0, "last": 2}
    again = after(cut, {"op": "delete_words", **words}, {"op": "restore_words", **words})

    assert ghost["cut"]["segment_id"] is None
    assert playing(again) == playing(cut)
    back = after(cut, {"op": "restore_clip", "clip_id": ghost["id"]})
    assert playing(back) == [(0, 0, 9000)]


def test_media_without_a_transcript_is_left_alone_and_refused_where_none_has_one() -> None:
    other = clip("b", 9000, 0, 9000, media=OTHER_MEDIA)
    both = content(track(clip("a", 0, 0, 9000), other), segments=[PAUSED])

    assert playing(after(both, OP))[-1] == (8200, 0, 9000)
    refused("no_transcript", lambda: after(content(track(other), segments=[PAUSED]), OP))


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("threshold_ms", documents.MIN_PAUSE_MS, documents.MAX_PAUSE_MS),
        ("padding_ms", 0, documents.MAX_PAUSE_MS),
    ],
)
def test_what_is_asked_for_is_bounded(field: str, least: int, most: int) -> None:
    assert parsed({**OP, field: least}, {**OP, field: most})
    for value in (least - 1, most + 1, 500.5, "500", None):
        with pytest.raises(ValidationError):
            parsed({**OP, field: value})


def test_one_operation_finds_as_many_cuts_as_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_ranges, "MAX_FOUND_CUTS", 2)
    times = [(1000 * n, 1000 * n + 100) for n in range(4)]

    assert after(film(said(*times[:3])), OP)
    refused("too_many_cuts", lambda: after(film(said(*times)), OP))


ASKED = st.fixed_dictionaries(
    {
        "op": st.just("cut_silences"),
        "threshold_ms": st.sampled_from([50, 99, 100, 600]),
        "padding_ms": st.sampled_from([0, 1, 30, 100]),
        "mode": st.sampled_from(["gap", "ripple"]),
    }
)
PURE = examples(150, 2000)


@pytest.mark.property
@PURE
@given(talks(), ASKED)
def test_a_second_time_nothing_is_found_and_undo_brings_all_back(
    before: Content, asked: dict[str, Any]
) -> None:
    made = after(before, asked)

    assert after(made, asked) is made
    assert removed(made, **asked).count == 0
    assert same(changes.apply_changes(made, changes.diff_contents(before, made).inverse), before)


@pytest.mark.property
@examples(40, 500)
@given(talks(), ASKED)
def test_words_and_what_is_left_beside_them_keep_their_pictures(
    before: Content, asked: dict[str, Any]
) -> None:
    """But for what is shorter than its cross-fade, and goes with the cut."""
    before = undissolved(before)
    made = after(before, asked)

    for one in before.segments:
        media, padding = one["media_file_id"], asked["padding_ms"]
        lost = {ms for _, ms in pictures(before, media) - pictures(made, media)}
        for each in one["words"]:
            around = range(each["start_ms"] - padding, each["end_ms"] + padding)
            assert lost.isdisjoint(around)


@pytest.mark.django_db
def test_over_the_api_it_is_one_step_and_tells_what_is_gone(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(
        api,
        project,
        {
            "tracks": tracks(film, 0, 1000, 2000),
            "transcript": {"segments": [{**PAUSED, "media_file_id": str(film.pk)}]},
        },
    )
    before = api.get(url(project)).json()

    told = operate(api, project, OP, **{"If-Match": '"2"'}).json()

    assert told["removed"] == [{"op": "cut_silences", "count": 1, "cut_ms": 800}]
    assert (told["version"], told["undo_depth"], told["duration_ms"]) == (3, 2, 2200)
    again = operate(api, project, OP).json()
    assert (again["version"], again["patch"]) == (3, [])
    assert again["removed"] == [{"op": "cut_silences", "count": 0, "cut_ms": 0}]
    api.post(url(project, "/edl/undo"))
    undone = api.get(url(project)).json()
    assert (undone["tracks"], undone["transcript"]) == (before["tracks"], before["transcript"])


@pytest.mark.django_db
def test_over_the_api_refusals_name_their_place(api: APIClient, project: Project) -> None:
    assert errors(operate(api, project, OP)) == [("operations.0.op", "no_transcript")]
    assert errors(operate(api, project, {**OP, "threshold_ms": 1})) == [
        ("operations.0.threshold_ms", "greater_than_equal")
    ]
