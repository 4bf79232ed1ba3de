"""What is believed of a model's reply."""

import json

import pytest

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.video_query.contract import (
    MAX_ANSWER,
    MAX_DETAIL,
    MAX_EVIDENCE,
    EvidenceKind,
    VideoQueryResult,
)
from gpu_tasks.video_query.replies import parse_reply

FILM_MS = 60_000


def reply(*evidence: object, answer: object = "A dog.") -> str:
    return json.dumps({"answer": answer, "evidence": list(evidence)})


def times(*evidence: object) -> list[tuple[int, int]]:
    return [(item.start_ms, item.end_ms) for item in parse_reply(reply(*evidence), FILM_MS)[1]]


def test_a_reply_of_the_form_asked_for():
    value = {"start_s": 1.5, "end_s": 2, "kind": "heard", "detail": "It barks."}
    answer, (evidence,) = parse_reply(reply(value), FILM_MS)
    assert answer == "A dog."
    assert (evidence.start_ms, evidence.end_ms) == (1500, 2000)
    assert (evidence.kind, evidence.detail) == (EvidenceKind.SPEECH, "It barks.")


@pytest.mark.parametrize(
    "form",
    [
        "```json\n{}\n```",
        "Here it is: {} I hope that helps {{you}}.",
        '{{"thought": 1}} {}',
        "{{broken {}",
        "[{}, 1]",
    ],
)
def test_the_object_may_stand_among_other_text(form: str):
    answer, evidence = parse_reply(form.format(reply({"start_s": 1, "end_s": 2})), FILM_MS)
    assert answer == "A dog."
    assert len(evidence) == 1


@pytest.mark.parametrize("text", ["A dog,\nI think.", '{"answer": 3}', "[1, 2]", "{" * 4000])
def test_a_reply_of_another_form_is_the_answer_as_it_stands(text: str):
    assert parse_reply(text, FILM_MS) == (text, ())


SEEN = {"start_s": 1, "end_s": 2, "kind": "seen", "detail": "A {tail}."}
WHOLE = reply(SEEN, {**SEEN, "start_s": 1.5}, answer="A “dog”\nand a \\ 🐈.")


@pytest.mark.parametrize("form", ["{}", "Here: {{it}} is\n```json\n{}"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_reply_may_be_cut_anywhere(form: str, ascii_only: bool):
    text = json.dumps(json.loads(WHOLE), ensure_ascii=ascii_only)
    whole, both = parse_reply(text, FILM_MS)
    begins, ends = text.index(": ") + 4, text.index(', "evidence')
    for end in range(begins, len(text)):
        answer, evidence = parse_reply(form.format(text[:end]), FILM_MS)
        assert answer == whole if end >= ends else whole.startswith(answer.removesuffix("…"))
        assert answer.endswith("…") is (end < ends)
        assert evidence == both[: text[:end].count('"}')]


def test_what_is_cut_ends_in_an_ellipsis():
    assert parse_reply('{"answer": "unclosed', FILM_MS) == ("unclosed…", ())
    assert parse_reply('{"answer": "closed"', FILM_MS) == ("closed", ())


def test_bare_new_lines_in_a_reply_do_no_harm():
    assert parse_reply('{"answer": "One\ntwo."}', FILM_MS) == ("One two.", ())
    assert parse_reply('{"answer": "One\ntwo', FILM_MS) == ("One two…", ())


def test_half_a_character_is_left_out():
    assert parse_reply(r'{"answer": "A \ud83d dog."}', FILM_MS) == ("A  dog.", ())


@pytest.mark.parametrize("text", ["", "  \n", "\x00", '{"answer": ""}', '{"answer": "', "\ud83d"])
def test_no_reply_is_an_error_of_the_model(text: str):
    with pytest.raises(EngineError) as caught:
        parse_reply(text, FILM_MS)
    assert caught.value.code == ErrorCode.MODEL_ERROR


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 60, [(0, 60_000)]),
        (60, 60, [(60_000, 60_000)]),
        (59, 90, [(59_000, 60_000)]),
        ("12.5", "0:13", [(12_500, 13_000)]),
        ("1.5s", "2s", [(1500, 2000)]),
        (60.001, 70, []),
        (-1, 2, []),
        (3, 2, []),
        (float("nan"), 2, []),
        (1, float("inf"), []),
        (1e400, 1, []),
        (True, 2, []),
        (None, 2, []),
        ([1], 2, []),
        ("soon", 2, []),
        ("9" * 400, 2, []),
    ],
)
def test_times_outside_the_film_are_not_believed(start, end, expected):
    assert times({"start_s": start, "end_s": end, "detail": "x"}) == expected


def test_a_moment_has_its_start_for_an_end():
    assert times({"start_s": 4}) == [(4000, 4000)]


@pytest.mark.parametrize("value", [None, "text", 3, [], {}, {"end_s": 1}])
def test_what_is_no_evidence_is_left_out(value: object):
    assert times(value, {"start_s": 1, "end_s": 2}) == [(1000, 2000)]


@pytest.mark.parametrize("value", [None, "none", {"start_s": 1}, 7])
def test_evidence_that_is_no_list_is_none(value: object):
    text = json.dumps({"answer": "Yes.", "evidence": value})
    assert parse_reply(text, FILM_MS) == ("Yes.", ())


def test_everything_is_bounded_and_fits_the_contract():
    value = {"start_s": 1, "end_s": 2, "kind": {"odd": 1}, "detail": "\x00" + "d" * 2000}
    answer, evidence = parse_reply(reply(*[value] * 200, answer="a" * 9000), FILM_MS)
    assert (len(answer), len(evidence)) == (MAX_ANSWER, MAX_EVIDENCE)
    assert evidence[0].detail == "d" * (MAX_DETAIL - 1) + "…"
    assert evidence[0].kind == EvidenceKind.PICTURE
    VideoQueryResult(answer=answer, evidence=evidence, duration_ms=FILM_MS, frames_sampled=1)
