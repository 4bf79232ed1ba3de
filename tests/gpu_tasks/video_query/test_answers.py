"""Findings from measures that are given."""

from dataclasses import replace

import numpy as np
import pytest

from gpu_tasks.video_query.answers import (
    MAX_STILL,
    QUIET_DB,
    build_answer,
    format_time,
    get_colour_name,
    parse_question,
)
from gpu_tasks.video_query.contract import Evidence, EvidenceKind, SpokenSegment
from gpu_tasks.video_query.measures import MIN_CUT, Measures

SPEECH = (
    SpokenSegment(start_ms=0, end_ms=900, text="The harbour opens at nine."),
    SpokenSegment(start_ms=1000, end_ms=1900, text="Harbours, harbours!"),
    SpokenSegment(start_ms=2000, end_ms=2900, text="Good night."),
)


def watched(
    *, seconds: int = 4, brightness: float = 0.5, change: float = 0.0, **spikes: float
) -> Measures:
    """Even measures, ten a second; ``at_12=0.5`` is a change of 0.5 at the twelfth picture."""
    changes = np.full(seconds * 10, change, np.float32)
    for name, value in spikes.items():
        changes[int(name.removeprefix("at_"))] = value
    return Measures(
        colours=np.full((seconds * 10, 3), brightness, np.float32),
        change=changes,
        faces=np.zeros(seconds * 10, np.int64),
    )


def told(
    question: str,
    seen: Measures | None = None,
    speech: tuple[SpokenSegment, ...] | None = SPEECH,
) -> tuple[str, list[Evidence]]:
    text, evidence = build_answer(
        parse_question(question), replace(seen or watched(), speech=speech)
    )
    return text, list(evidence)


def spans(evidence: list[Evidence]) -> list[tuple[int, int]]:
    return [(item.start_ms, item.end_ms) for item in evidence]


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "0:00.0"), (59_999, "0:59.9"), (60_000, "1:00.0"), (7_261_500, "121:01.5")],
)
def test_times_are_minutes_and_seconds(time_ms: int, text: str):
    assert format_time(time_ms) == text


def test_the_length_is_told():
    assert told("How long is it?")[0] == "The film lasts 0:04.0."


def test_cuts_are_counted_with_their_times():
    text, evidence = told("How many cuts?", watched(at_12=0.5, at_30=0.4))
    assert text == "There are 2 cuts, at 0:01.2, 0:03.0, so 3 shots."
    assert spans(evidence) == [(1200, 1200), (3000, 3000)]
    assert told("How many cuts?", watched(at_5=0.5))[0].startswith("There is 1 cut, ")
    assert told("How many cuts?")[0] == "There are no cuts: it is a single shot."


@pytest.mark.parametrize(("change", "count"), [(MIN_CUT + 0.001, 1), (MIN_CUT - 0.001, 0)])
def test_a_small_change_is_no_cut(change: float, count: int):
    assert watched(at_12=change).cuts.size == count


def test_a_moving_camera_is_no_row_of_cuts():
    assert watched(change=0.2).cuts.size == 0


def test_the_dark_is_found():
    seen = watched(seconds=6)
    seen.colours[20:35] = 0.1
    seen.colours[50:52] = 0.1  # too short to be told
    text, evidence = told("When is it dark?", seen)
    assert "; dark picture from 0:02.0 to 0:03.5." in text
    brightest, darkest, dark = evidence
    assert (brightest.start_ms, darkest.start_ms) == (0, 2000)
    assert spans([dark]) == [(2000, 3500)]


def test_an_even_light_has_its_extremes():
    text, evidence = told("How bright is it?", watched(brightness=0.5))
    assert text.startswith("On average the picture has 50% of full brightness")
    details = ["brightest picture (50%)", "darkest picture (50%)"]
    assert [item.detail for item in evidence] == details


def test_motion_is_told_from_stillness_and_a_cut_is_neither():
    seen = watched(seconds=6, at_20=0.5)
    seen.change[45:] = 0.02
    text, evidence = told("Does it move?", seen)
    assert "still picture from 0:00.0 to 0:04.5" in text
    assert evidence[0].detail == "most motion"
    assert 4500 <= evidence[0].start_ms < evidence[0].end_ms <= 6000


@pytest.mark.parametrize(("change", "still"), [(MAX_STILL, True), (MAX_STILL + 0.001, False)])
def test_the_noise_of_a_codec_is_no_motion(change: float, still: bool):
    text, _ = told("Does it move?", watched(change=change, seconds=2))
    assert text.startswith("Each shot stands still") is still


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((1, 0, 0), "red"),
        ((1, 0.02, 0.1), "red"),
        ((1, 0.5, 0), "orange"),
        ((0, 1, 0), "green"),
        ((0, 0, 1), "blue"),
        ((1, 1, 0), "yellow"),
        ((0, 0, 0), "black"),
        ((1, 1, 1), "white"),
        ((0.5, 0.5, 0.5), "grey"),
        ((0.6, 0, 1), "purple"),
    ],
)
def test_colours_have_names(colour: tuple[float, float, float], name: str):
    assert get_colour_name(np.array(colour, np.float32)) == name


def test_what_is_said_about_something_is_quoted_with_its_time():
    text, evidence = told("What is said about the harbour?")
    assert text == (
        "About harbour, 3 times: “The harbour opens at nine.” from 0:00.0 to 0:00.9; "
        "“Harbours, harbours!” from 0:01.0 to 0:01.9."
    )
    assert spans(evidence) == [(0, 900), (1000, 1900)]
    assert {item.kind for item in evidence} == {EvidenceKind.SPEECH}


def test_how_often_a_word_is_said_is_counted():
    assert told("How often is harbour said?")[0].startswith("About harbour, 3 times: ")
    assert told("How often is 'night' said?")[0].startswith("About night, 1 time: ")


def test_what_is_said_at_all_is_listed():
    many = tuple(SpokenSegment(start_ms=i, end_ms=i, text=f"Word {i}.") for i in range(12))
    text, evidence = told("What is said?", speech=many)
    assert text.startswith("What is said, 24 words in 12 passages: “Word 0.” at 0:00.0; ")
    assert text.endswith("“Word 7.” at 0:00.0 and 4 more.")
    assert len(evidence) == 12


def test_what_nobody_says_is_told_honestly():
    text = told("When do they mention pirates?")[0]
    assert text == "Nothing about pirates was heard in what is said."
    assert told("What is said?", speech=())[0] == "No words were understood."
    assert "no sound" in told("What is said?", speech=None)[0]


def test_faces_are_counted_where_they_are_looked_for():
    seen = watched()
    seen.faces[10:30] = np.repeat([1, 2], 10)
    text, evidence = told("Is there a face?", seen)
    assert "from 0:01.0 to 0:03.0; at most 2 at once" in text
    assert spans(evidence) == [(1000, 3000)]
    assert told("Is there a face?")[0].startswith("No face is seen")


TITLED = replace(
    watched(at_12=0.5),
    text=(
        SpokenSegment(start_ms=0, end_ms=2000, text="SUMMER SALE"),
        SpokenSegment(start_ms=1000, end_ms=2000, text="closed on Mondays"),
    ),
)


def test_text_in_pictures_is_quoted_with_its_times():
    text, evidence = told("What text is shown?", TITLED)
    assert text == (
        "Text in the picture, 2 lines: “SUMMER SALE” from 0:00.0 to 0:02.0; "
        "“closed on Mondays” from 0:01.0 to 0:02.0."
    )
    assert spans(evidence) == [(0, 2000), (1000, 2000)]
    assert {item.kind for item in evidence} == {EvidenceKind.TEXT}


def test_text_is_looked_through_for_what_is_asked():
    text, evidence = told("When is “closed” written?", TITLED)
    assert text == "Text in the picture, 1 line: “closed on Mondays” from 0:01.0 to 0:02.0."
    assert spans(evidence) == [(1000, 2000)]
    text, evidence = told("Is “open” written?", TITLED)
    assert text.startswith("Nothing about open was read in the picture. Text in the picture, 2 ")
    assert len(evidence) == 2


def test_more_lines_than_can_be_told_are_counted():
    lines = [SpokenSegment(start_ms=0, end_ms=4000, text=letter * 9) for letter in "abcdefghijkl"]
    text, evidence = told("What text is shown?", replace(watched(), text=lines))
    assert text.endswith(" and 4 more.")
    assert len(evidence) == 12


def test_no_text_is_told_honestly():
    text, evidence = told("What text is shown?")
    assert text.startswith("No text was read in the picture")
    assert evidence == []


def test_a_question_that_is_not_understood_gets_what_can_be_told():
    text, evidence = told("Where is the harbour?", watched(at_12=0.5))
    assert text.startswith("This draft engine recognises no things or events")
    assert "There is 1 cut" in text
    assert "The harbour opens at nine." in text
    assert evidence


def test_several_topics_are_answered_in_one():
    text, _ = told("How long is it and how many cuts are there?")
    assert text == "There are no cuts: it is a single shot. The film lasts 0:04.0."


ALL_SAID = (
    "What is said, 9 words in 3 passages: “The harbour opens at nine.” from 0:00.0 to 0:00.9; "
    "“Harbours, harbours!” from 0:01.0 to 0:01.9; “Good night.” from 0:02.0 to 0:02.9."
)
BOTH_LINES = (
    "Text in the picture, 2 lines: “SUMMER SALE” from 0:00.0 to 0:02.0; “closed on Mondays” from "
    "0:01.0 to 0:02.0."
)
NIGHT = "About night, 1 time: “Good night.” from 0:02.0 to 0:02.9."
ONE_CUT = "There is 1 cut, at 0:01.2, so 2 shots."


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the first thing said?", ALL_SAID),
        ("When does she mention the night?", NIGHT),
        ("When do they mention the letter?", "Nothing about letter was heard in what is said."),
        (
            "Does she mention ships or boats?",
            "Nothing about ships or boats was heard in what is said.",
        ),
        ("How many times does she say night?", NIGHT),
        ("How many times does he say “film”?", "Nothing about film was heard in what is said."),
        ("How many words are spoken?", ALL_SAID),
        ("What are they talking about?", ALL_SAID),
        ("How many titles are there?", BOTH_LINES),
        ("How many scenes are there?", ONE_CUT),
        ("How long is it?", "The film lasts 0:04.0."),
        ("What is the length of the film?", "The film lasts 0:04.0."),
    ],
)
def test_typical_questions_get_what_they_ask_for(question: str, expected: str):
    assert told(question, TITLED)[0] == expected


@pytest.mark.parametrize(
    "question", ["Summarize the video", "What is this video about?", "What happens at 0:03?"]
)
def test_a_summary_tells_all_and_looks_for_no_words(question: str):
    text, _ = told(question, TITLED)
    assert text.startswith("This draft engine recognises no things or events")
    assert text.endswith(f"{BOTH_LINES} {ALL_SAID}")


def heard(question: str, *levels: float) -> tuple[str, list[Evidence]]:
    """Return the answer about one second at each level, in decibels."""
    loudness = np.repeat(np.array(levels, np.float32), 10)
    text, evidence = build_answer(parse_question(question), replace(watched(), levels=loudness))
    return text, list(evidence)


def test_quiet_parts_are_found():
    text, evidence = heard("Where are the quiet parts?", -20, -80, QUIET_DB, -15)
    assert text == (
        "The sound is loudest (-15 dB of full scale) at 0:03.0; quiet from 0:01.0 to 0:03.0. "
        "Music, voices and noises are not told apart."
    )
    assert spans(evidence) == [(3000, 3000), (1000, 3000)]
    assert {item.kind for item in evidence} == {EvidenceKind.SOUND}


def test_sound_that_is_never_or_always_quiet():
    assert (
        "nowhere quiet for as long as a second"
        in heard("Is there silence?", -20, QUIET_DB + 0.1)[0]
    )
    assert "; quiet from 0:00.0 to 0:02.0." in heard("How loud is it?", -80, -90)[0]
    assert told("Is there music?", speech=None)[0] == "The film has no sound."
