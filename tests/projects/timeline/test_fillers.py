"""Filler words and repeats cut out of a film: which are found, and what is left."""

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
from projects.timeline.fillers import Search
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
)
from tests.projects.timeline.naive import apply
from tests.properties import examples

OP = {"op": "cut_fillers"}


def said(text: str, language: str | None = "en", **more: Any) -> dict[str, Any]:
    """A segment from the start of the media, half a second a word."""
    told = {} if language is None else {"language": language}
    return {**segment("s", 0, text), **told, **more}


def film(text: str, language: str | None = "en") -> Content:
    one = said(text, language)
    return content(track(clip("a", 0, 0, one["end_ms"])), segments=[one])


def removed(before: Content, **more: Any) -> Removed:
    draft = Draft(before)
    for each in parsed({**OP, **more}):
        each.apply(draft)
    (found,) = draft.removed
    return found


def kept(made: Content) -> str:
    """What of the first segment is not deleted."""
    return " ".join(each["word"] for each in made.segments[0]["words"] if not each.get("deleted"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Um, so we Uh... went ERM home", "so we went home"),
        ("the the cat", "the cat"),
        ("I, I... I went", "I went"),
        ("the um the cat", "the cat"),
        ("we went home. Home is here", "we went home. Home is here"),
        ("really? Really", "really? Really"),
        ("call 5 5 1", "call 5 5 1"),
        ("- - so", "- - so"),
        ("so we went", "so we went"),
    ],
)
def test_fillers_and_repeats_go(text: str, left: str) -> None:
    assert kept(after(film(text), OP)) == left


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("de", "äh um zehn Ähm hat er", "um zehn hat er"),
        ("de-AT", "A\u0308hm ja", "ja"),
        ("en-GB", "um er yes", "yes"),
        ("EN", "um yes", "yes"),
        ("pt", "um uh dia", "um dia"),
        (None, "um uh day", "um day"),
    ],
)
def test_fillers_are_those_of_the_language(language: str | None, text: str, left: str) -> None:
    assert kept(after(film(text, language), OP)) == left


def test_words_of_ones_own_take_the_place_of_the_list() -> None:
    made = after(film("um basically the the"), {**OP, "words": ["Basically!"], "repeats": False})

    assert kept(made) == "um the the"


def test_what_plays_them_is_cut_as_by_deleting_the_words() -> None:
    before = film("um so um we went")

    by_words = [{"op": "delete_words", "segment_id": "s", "first": index} for index in (0, 2)]

    assert playing(after(before, OP)) == [(0, 500, 1000), (500, 1500, 2500)]
    assert playing(after(before, OP)) == playing(after(before, *by_words))
    assert after(before, OP).segments == after(before, *by_words).segments
    assert playing(after(before, {**OP, "mode": "gap"})) == [(500, 500, 1000), (1500, 1500, 2500)]


def test_they_come_back_like_words() -> None:
    before = film("um so um we went")

    back = after(
        after(before, OP), {"op": "restore_words", "segment_id": "s", "first": 0, "last": 2}
    )

    assert (playing(back), back.segments) == (playing(before), before.segments)


def test_it_tells_how_many_and_how_long_on_the_timeline() -> None:
    fast = [{"type": "speed", "rate": 2}]
    text = said("um so uh we")
    picture, sound = track(clip("a", 0, 0, 2000)), track(clip("b", 0, 0, 2000), name="s")
    quick = content(track(clip("a", 0, 0, 2000, effects=fast)), segments=[text])

    assert removed(content(picture, sound, segments=[text])) == Removed("cut_fillers", 2, 1000)
    assert removed(quick) == Removed("cut_fillers", 2, 500)
    assert removed(film("so we")) == Removed("cut_fillers", 0, 0)


def test_what_no_clip_plays_is_left() -> None:
    before = content(track(clip("a", 0, 0, 700)), segments=[said("so um we um")])

    made = after(before, OP)

    assert kept(made) == "so we um"
    assert playing(made) == [(0, 0, 500)]


def test_deleted_words_and_segments_are_left_and_corrected_words_count_as_shown() -> None:
    before = film("um so um arm")
    shown = after(before, {"op": "edit_word", "segment_id": "s", "word": 2, "text": "some"})
    gone = after(before, {"op": "delete_segment", "segment_id": "s"})

    assert removed(shown).count == 1
    assert removed(after(before, {"op": "delete_words", "segment_id": "s", "first": 0})).count == 1
    refused("no_transcript", lambda: after(gone, OP))


def test_what_another_speaker_talks_over_is_left() -> None:
    guest = {**segment("g", 600, "I began there"), "language": "en"}  # 600 to 2100
    before = content(
        track(clip("a", 0, 0, 9000)), segments=[said("um so um well yes no um"), guest]
    )

    made = after(before, OP)

    assert kept(made) == "so um well yes no"
    assert [each.get("deleted") for each in made.segments[1]["words"]] == [None] * 3


def test_where_nothing_that_is_played_has_a_transcript_it_is_refused() -> None:
    other = content(track(clip("a", 0, 0, 900, media=OTHER_MEDIA)), segments=[said("um")])

    refused("no_transcript", lambda: after(other, OP))
    refused("no_transcript", lambda: after(content(), OP))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["um"] * documents.MAX_FILLERS, None),
        (["um"] * (documents.MAX_FILLERS + 1), "too_long"),
        (["u" * documents.MAX_FILLER_LENGTH], None),
        (["u" * (documents.MAX_FILLER_LENGTH + 1)], "string_too_long"),
        (["you know"], "filler"),
        (["..."], "filler"),
        ([""], "filler"),
        ([1], "string_type"),
        ([], None),
    ],
)
def test_the_list_of_fillers_is_bounded(words: list[Any], code: str | None) -> None:
    if code is None:
        assert parsed({**OP, "words": words})
        return
    with pytest.raises(ValidationError) as raised:
        parsed({**OP, "words": words})
    assert [each["type"] for each in raised.value.errors()] == [code]


def test_one_operation_finds_as_many_cuts_as_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_ranges, "MAX_FOUND_CUTS", 4)
    two_tracks = [track(clip(name, 0, 0, 9000), name=name) for name in ("a", "b")]

    assert after(content(*two_tracks, segments=[said("um so um we")]), OP)
    refused(
        "too_many_cuts",
        lambda: after(content(*two_tracks, segments=[said("um so um we um")]), OP),
    )


def test_no_more_words_are_looked_at_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The segment counts as one."""
    monkeypatch.setattr("projects.timeline.draft.MAX_CHOSEN_WORDS", 6)

    assert after(film("um so we went on"), OP)
    refused("too_many_words", lambda: after(film("um so we went on again"), OP))


PURE = examples(150, 2000)


@pytest.mark.property
@PURE
@given(talks(), st.sampled_from(["gap", "ripple"]))
def test_a_second_time_nothing_is_found_and_undo_brings_all_back(
    before: Content, mode: str
) -> None:
    made = after(before, {**OP, "mode": mode})

    assert after(made, {**OP, "mode": mode}) is made
    assert removed(made).count == 0
    assert same(changes.apply_changes(made, changes.diff_contents(before, made).inverse), before)


@pytest.mark.property
@examples(40, 500)
@given(talks(), st.sampled_from(["gap", "ripple"]))
def test_words_that_remain_keep_their_pictures(before: Content, mode: str) -> None:
    """But for what is shorter than its cross-fade, and goes with the cut."""
    before = undissolved(before)
    made = after(before, {**OP, "mode": mode})

    for was, now in zip(before.segments, made.segments, strict=True):
        media = was["media_file_id"]
        lost = {ms for _, ms in pictures(before, media) - pictures(made, media)}
        for word in now["words"]:
            if not word.get("deleted"):
                assert lost.isdisjoint(range(word["start_ms"], word["end_ms"]))


@pytest.mark.property
@PURE
@given(talks(), st.sampled_from(["gap", "ripple"]))
def test_it_is_what_deleting_the_words_plainly_makes(before: Content, mode: str) -> None:
    made = after(before, {**OP, "mode": mode})
    wanted = [
        {"op": "delete_words", "segment_id": each["id"], "first": index, "mode": mode}
        for each in made.segments
        for index, word in enumerate(each["words"])
        if word.get("deleted")
    ]
    plain = before
    for each in parsed(*wanted) if wanted else ():
        plain = apply(plain, each)

    assert made.segments == plain.segments
    for place in range(len(before.tracks)):
        assert playing(made, place) == playing(plain, place)


@pytest.mark.django_db
def test_over_the_api_it_is_one_step_and_tells_what_is_gone(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    text = {**said("um so um we"), "media_file_id": str(film.pk)}
    body = {"tracks": tracks(film, 0, 1000), "transcript": {"segments": [text]}}
    put(api, project, body)
    before = api.get(url(project)).json()

    answer = operate(api, project, OP, **{"If-Match": '"2"'})

    told = answer.json()
    assert answer.status_code == 200
    assert told["removed"] == [{"op": "cut_fillers", "count": 2, "cut_ms": 1000}]
    assert (told["version"], told["undo_depth"], told["duration_ms"]) == (3, 2, 1000)
    again = operate(api, project, OP).json()
    assert (again["version"], again["patch"], again["undo_depth"]) == (3, [], 2)
    assert again["removed"] == [{"op": "cut_fillers", "count": 0, "cut_ms": 0}]
    api.post(url(project, "/edl/undo"))
    undone = api.get(url(project)).json()
    assert (undone["tracks"], undone["transcript"]) == (before["tracks"], before["transcript"])


@pytest.mark.django_db
def test_over_the_api_refusals_name_their_place(api: APIClient, project: Project) -> None:
    assert errors(operate(api, project, OP)) == [("operations.0.op", "no_transcript")]
    assert errors(operate(api, project, {**OP, "words": ["a b"]})) == [
        ("operations.0.words.0", "filler")
    ]
    stale = operate(api, project, OP, **{"If-Match": '"7"'})
    assert stale.status_code == 412


def test_segments_are_searched_each_for_itself() -> None:
    both = [said("so the"), said("the um")]

    assert Search(None, repeats=True).find_indexes(both) == [[], [1]]
