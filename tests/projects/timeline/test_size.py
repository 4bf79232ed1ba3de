"""Long films: 2,000 clips and 20,000 words fit, and an operation works on a part of them."""

import uuid
from typing import Any

import bson
import pytest
from pymongo.collection import Collection

from accounts.models import User
from media.models import MediaType
from projects import documents
from projects.models import Project
from projects.timeline import editing, session
from tests.projects.timeline.making import check_stored, clip, parsed, segment, track

pytestmark = pytest.mark.django_db

CLIPS = documents.MAX_CLIPS - 100
SEGMENTS = 2000
WORDS_EACH = 10
SEGMENT_MS = 500 * WORDS_EACH


@pytest.fixture
def key(
    project: Project, make_media: Any, edls: Collection[dict[str, Any]], user: User
) -> dict[str, uuid.UUID]:
    """Whose EDL it is: a long one."""
    media = make_media(type=MediaType.VIDEO, duration_ms=SEGMENTS * SEGMENT_MS)
    clips = [
        clip(str(uuid.uuid4()), at, at, at + SEGMENT_MS, media=str(media.pk))
        for at in range(0, CLIPS * SEGMENT_MS, SEGMENT_MS)
    ]
    text = " ".join(["extraordinary"] * WORDS_EACH)
    segments = [
        segment(f"s{number}", number * SEGMENT_MS, text, media=str(media.pk))
        for number in range(SEGMENTS)
    ]
    transcript = {"generated_at": None, "segments": segments}
    edls.update_one(
        {"project_id": str(project.pk)},
        {
            "$set": {
                "tracks": [track(*clips, name=str(uuid.uuid4()))],
                "transcript": transcript,
                "transcript_bytes": len(bson.encode(transcript)),
                "settings.duration_ms": CLIPS * SEGMENT_MS,
            }
        },
    )
    return {"project_id": project.pk, "user_id": user.pk}


def stored(edls: Collection[dict[str, Any]], key: dict[str, uuid.UUID]) -> dict[str, Any]:
    found = edls.find_one({"project_id": str(key["project_id"])})
    assert found is not None
    return found


def test_only_what_an_operation_needs_is_read(key: dict[str, uuid.UUID]) -> None:
    of_clips = session.read_session(**key, needs=session.Needs(tracks=True))
    of_words = session.read_session(**key, needs=session.Needs(segment_ids=frozenset({"s7", "s9"})))

    assert of_clips.content.segments == []
    assert of_words.content.tracks == []
    assert [len(one.get("words", ())) for one in of_words.content.segments[6:11]] == [
        0,
        WORDS_EACH,
        WORDS_EACH,
        WORDS_EACH,
        0,
    ]
    assert dict(of_words.content.segments[0]) == {"id": "s0"}


def test_the_film_is_edited_within_its_bounds(
    key: dict[str, uuid.UUID], edls: Collection[dict[str, Any]]
) -> None:
    for number in range(30):
        wanted = {"op": "delete_words", "segment_id": f"s{number}", "first": 3, "last": 4}
        editing.apply_operations(**key, versions=None, operations=parsed(wanted))

    document = stored(edls, key)
    check_stored(document)
    assert len(document["undo_stack"]) == 30
    assert sum(step["bytes"] for step in document["undo_stack"]) <= documents.MAX_STACK_BYTES
