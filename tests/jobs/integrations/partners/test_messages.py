"""What partners may send, and the exact shapes of what they get."""

import json
from typing import Any

import pytest

from jobs.integrations.partners import messages
from jobs.integrations.partners.messages import InvalidMessageError
from jobs.integrations.partners.models import MAX_VIDEO_ID_LENGTH, Kind
from tests.jobs.integrations.partners.conftest import TRANSCRIPT

LIMIT = 65_536
GOOD: dict[str, Any] = {"video_id": "v1", "video_url": "https://cdn.example/film.mp4"}


def read(value: Any, kind: Kind = Kind.TRANSCRIBE, limit: int = LIMIT) -> messages.Transcribe:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return messages.parse_message(kind, raw, max_bytes=limit)


def reason(value: Any, **given: Any) -> str:
    with pytest.raises(InvalidMessageError) as refused:
        read(value, **given)
    return str(refused.value)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"metadata": None},
        {"metadata": {}},
        {"metadata": {"title": "Algebra", "courseId": "c-1", "userId": "u-1"}},
        {"metadata": {"title": None, "lecturer": "Noether"}},
        {"priority": 5, "captions": ["de"]},
    ],
)
def test_a_message_with_other_fields_or_without_is_read(more):
    request_data = read({**GOOD, **more})
    assert (request_data.video_id, request_data.video_url) == ("v1", GOOD["video_url"])


@pytest.mark.parametrize(
    "video_id", ["a", "A-1_b.c", "0" * MAX_VIDEO_ID_LENGTH, "6f9619ff-8b86-d011-b42d-00cf4fc964ff"]
)
def test_an_id_that_can_be_a_key_is_taken(video_id):
    assert read({**GOOD, "video_id": video_id}).video_id == video_id


@pytest.mark.parametrize(
    "video_id",
    ["", "..", ".hidden", "a/b", "../etc/passwd", "a b", "a\n", "a\0", "é", "x" * 129, 7, None],
)
def test_an_id_that_cannot_is_refused(video_id):
    assert reason({**GOOD, "video_id": video_id}).startswith("video_id: ")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"NaN",
        b"[" * 60_000,
        b'{"video_id": "a", "video_id": "b", "video_url": "https://x.example/"}',
        b'{"video_id": "a", "video_url": "https://x.example/", "m": {"a": 1, "a": 2}}',
        b'{"video_id": "a", "video_url": "https://x.example/", "n": Infinity}',
    ],
)
def test_what_is_no_json_or_ambiguous_is_refused(value):
    assert reason(value) == "The message is not JSON, or has a name twice."


@pytest.mark.parametrize("value", [b"[]", b'"text"', b"5", b"null"])
def test_json_that_is_no_object_is_refused(value):
    assert reason(value) == "The message is JSON, but not an object."


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"video_url": None}, "video_url"),
        ({"video_url": 5}, "video_url"),
        ({"video_url": ""}, "video_url"),
        ({"video_url": "https://x.example/" + "x" * 8000}, "video_url"),
        ({"video_url": "https://x.example/\ud800"}, "video_url"),
        ({"metadata": "Algebra"}, "metadata"),
        ({"metadata": {"title": 5}}, "metadata.title"),
        ({"metadata": {"title": "x" * 1001}}, "metadata.title"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not_repeated(wrong, field):
    output = reason({**GOOD, **wrong})
    assert output.startswith(f"{field}: ")
    assert "x.example" not in output


def test_a_message_is_as_long_as_the_limit_and_no_longer():
    raw = json.dumps(GOOD).encode()
    assert read(raw, limit=len(raw)).video_id == "v1"
    assert reason(raw, limit=len(raw) - 1) == (
        f"The message has {len(raw)} bytes, but at most {len(raw) - 1} are read."
    )


@pytest.mark.parametrize(
    ("given", "target"),
    [({}, "web"), ({"target": "Archive"}, "archive"), ({"target": "25MB"}, "25000000")],
)
def test_a_compression_has_a_target(given, target):
    assert read({**GOOD, **given}, kind=Kind.COMPRESS).asked_for == target


@pytest.mark.parametrize("target", ["small", "1kB", True, 1.5, None, {}])
def test_what_is_no_target_is_refused(target):
    assert reason({**GOOD, "target": target}, kind=Kind.COMPRESS).startswith("target")


def test_a_transcript_goes_out_in_seconds_and_with_its_own_language():
    created = messages.dump_message(messages.Transcribed.of("v1", TRANSCRIPT))
    assert json.loads(created) == {
        "video_id": "v1",
        "transcription": {
            "duration": 0.4,
            "language": "de",
            "words": [
                {"text": "Guten", "start": 0.01, "end": 0.15},
                {"text": "Tag", "start": 0.16, "end": 0.35},
            ],
        },
    }
