"""Documents of a timeline that are full of mistakes, or of too many things, cost little."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from auteur.core.api.problems import MAX_ERRORS
from projects import documents
from projects.models import Project
from tests.costs import cost_of
from tests.projects.timeline.asking import errors, json_patch, problem, put, url
from tests.projects.timeline.making import segment

pytestmark = pytest.mark.django_db

BAD_WORDS = {**segment("s", 0, "a"), "words": [{}] * documents.MAX_SEGMENT_WORDS}


def edl(tracks: Any = (), segments: Any = ()) -> dict[str, Any]:
    return {"tracks": list(tracks), "transcript": {"segments": list(segments)}}


def track(clips: list[Any]) -> dict[str, Any]:
    return {"id": "v", "type": "video", "name": "V", "clips": clips}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (edl(segments=[{}] * 120_000), [("transcript.segments", "too_long")]),
        (edl(tracks=[{}] * 51), [("tracks", "too_long")]),
        (edl([track([{}] * 2001)]), [("tracks.0.clips", "too_long")]),
        (
            edl(segments=[{**BAD_WORDS, "words": [{}] * 10_001}]),
            [("transcript.segments.0.words", "too_long")],
        ),
        (edl([track([{}] * documents.MAX_CLIPS)] * documents.MAX_TRACKS), None),
        (edl(segments=[{}] * documents.MAX_SEGMENTS), None),
        (edl(segments=[BAD_WORDS] * 12), None),
        (edl(segments=[{str(i): 0 for i in range(100)}] * 200), None),
    ],
    ids=["segments", "tracks", "clips", "words", "bad clips", "bad segments", "bad words", "odd"],
)
def test_lists_of_mistakes_are_refused_by_their_first(
    api: APIClient, project: Project, body: Any, expected: list[tuple[str, str]] | None
) -> None:
    """Measured up to 0.3 s and 25 MB."""
    found = errors(put(api, project, body))

    assert found == expected if expected else len(found) == MAX_ERRORS
    assert cost_of(lambda: put(api, project, body)).is_small


def test_a_million_words_are_not_even_read(api: APIClient, project: Project) -> None:
    text = json.dumps(edl(segments=[{**BAD_WORDS, "words": []}]))
    body = text.replace('"words": []', '"words": [' + "{}," * 690_000 + "{}]")
    answer = api.put(url(project), body, content_type="application/json", headers={"If-Match": "*"})

    assert problem(answer) == (400, "parse_error")


def test_errors_have_their_places_in_the_whole_list(api: APIClient, project: Project) -> None:
    good = [segment(f"s{number}", number, "a") for number in range(2 * MAX_ERRORS)]
    bad = [{**good[-1], "start_ms": -1, "words": [*good[0]["words"] * 120, {"word": 1}]}, {}]

    found = errors(put(api, project, edl(segments=[*good, *bad])))

    assert found[:2] == [
        ("transcript.segments.100.start_ms", "greater_than_equal"),
        ("transcript.segments.100.words.120.word", "string_type"),
    ]
    assert ("transcript.segments.101.id", "missing") in found


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/tracks", documents.MAX_TRACKS),
        ("/tracks/0/clips", documents.MAX_CLIPS),
        ("/transcript/segments", documents.MAX_SEGMENTS),
    ],
)
def test_a_json_patch_puts_no_longer_lists(
    api: APIClient, project: Project, path: str, most: int
) -> None:
    assert put(api, project, edl([track([])])).status_code == 200

    def replace(length: int) -> list[tuple[str, str]]:
        value: list[Any] = [{}] * length
        return errors(json_patch(api, project, [{"op": "replace", "path": path, "value": value}]))

    [(field, code)] = replace(most + 1)
    assert (field, code) == (path.replace("/", ".")[1:], "too_long")
    assert "too_long" not in {code for _, code in replace(most)}


@pytest.mark.parametrize("name", ["a b", "ü", "%00", "x" * 65, "$id", "..%2f", "%ed%a0%80", "{}"])
def test_no_segment_has_an_odd_id(api: APIClient, project: Project, name: str) -> None:
    answer = api.patch(
        url(project, f"/transcript/segments/{name}"), {"edited_text": "x"}, format="json"
    )

    assert problem(answer) == (404, "not_found")
