"""Documents that were stored before: they are read, edited and undone as they are."""

import datetime
from collections.abc import Callable
from typing import Any

import bson
import pytest
from pymongo.collection import Collection
from rest_framework.test import APIClient

from media.models import MediaFile, MediaType
from projects.models import Project
from tests.contract import ContractClient
from tests.projects.timeline.asking import operate, put, url
from tests.projects.timeline.making import check_stored

pytestmark = pytest.mark.django_db

AT = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
UNDO = {"path": "tracks.0.clips.0.start_ms", "value": 250}


def document_of(media_id: str) -> dict[str, Any]:
    """What is stored of a film: a clip cut by ripple for a word, one from before cuts were kept."""
    source = {"media_file_id": media_id, "track_id": "v"}
    whole = {"id": "a", "duration_ms": 3000, "in_point_ms": 0, "out_point_ms": 3000}
    fade = {"type": "fade_in", "duration_ms": 300}
    clips = [
        {
            "id": "a",
            **source,
            "start_ms": 0,
            "duration_ms": 1000,
            "in_point_ms": 0,
            "out_point_ms": 1000,
            "effects": [fade],
            "deleted": False,
        },
        {
            "id": "b",
            **source,
            "start_ms": 1000,
            "duration_ms": 500,
            "in_point_ms": 1000,
            "out_point_ms": 1500,
            "effects": [],
            "deleted": True,
            "cut": {
                "mode": "ripple",
                "segment_id": "s",
                "start_ms": 1000,
                "closed_ms": 500,
                "origin": {**whole, "effects": [fade]},
            },
        },
        {
            "id": "c",
            **source,
            "start_ms": 1000,
            "duration_ms": 1500,
            "in_point_ms": 1500,
            "out_point_ms": 3000,
            "effects": [],
            "deleted": False,
        },
        {
            "id": "d",
            **source,
            "start_ms": 9000,
            "duration_ms": 100,
            "in_point_ms": 0,
            "out_point_ms": 100,
            "effects": [{"type": "sepia", "level": 3}],
            "deleted": True,
            "cut": {"mode": "gap", "segment_id": None},
        },
    ]
    words = [
        {"word": "one", "start_ms": 0, "end_ms": 900, "confidence": 0.5, "edited_word": "won"},
        {"word": "two", "start_ms": 1000, "end_ms": 1400, "confidence": 1.0, "deleted": True},
        {"word": "three", "start_ms": 1500, "end_ms": 2900, "confidence": 0.0},
    ]
    segment = {
        "id": "s",
        "media_file_id": media_id,
        "speaker": "Speaker 1",
        "start_ms": 0,
        "end_ms": 3000,
        "text": "one two three",
        "words": words,
        "deleted": False,
        "edited_text": None,
    }
    transcript = {"generated_at": AT, "segments": [segment]}
    step = {"edit": {"kind": "changes", "changes": [UNDO]}, "bytes": 90, "created_at": AT}
    return {
        "version": 7,
        "settings": {
            "resolution": {"width": 1280, "height": 720},
            "frame_rate": 25.0,
            "duration_ms": 2500,
        },
        "tracks": [{"id": "v", "type": "video", "name": "V", "clips": clips}],
        "transcript": transcript,
        "transcript_bytes": len(bson.encode(transcript)),
        "undo_stack": [step],
        "redo_stack": [],
        "applied_jobs": ["4c0e8f0e-6d3c-4b0f-9a34-1d8f4c4b7c55"],
    }


@pytest.fixture
def old(project: Project, edls: Collection[dict[str, Any]], make_media: Any) -> dict[str, Any]:
    media: MediaFile = make_media(type=MediaType.VIDEO, duration_ms=3000)
    document = document_of(str(media.pk))
    edls.update_one({"project_id": str(project.pk)}, {"$set": document})
    return document


def test_they_are_read_as_they_are(
    api: ContractClient, project: Project, old: dict[str, Any]
) -> None:
    api.is_of_today = False
    told = api.get(url(project)).json()

    assert told["tracks"] == old["tracks"]
    assert told["transcript"]["segments"] == old["transcript"]["segments"]
    assert (told["version"], told["undo_depth"], told["settings"]) == (7, 1, old["settings"])
    captions = api.get(url(project, "/transcript.json")).json()
    assert captions["language"] == "und"
    assert [word["text"] for word in captions["words"]] == ["won", "three"]


def test_they_are_edited_and_undone(
    api: ContractClient,
    project: Project,
    old: dict[str, Any],
    stored: Callable[[Project], dict[str, Any]],
) -> None:
    api.is_of_today = False
    restored = operate(api, project, {"op": "restore_words", "segment_id": "s", "first": 1}).json()
    clips = api.get(url(project)).json()["tracks"][0]["clips"]

    assert (restored["version"], restored["duration_ms"]) == (8, 3000)
    assert [clip["id"] for clip in clips] == ["a", "d"]
    assert api.post(f"{url(project)}/undo").json()["version"] == 9
    assert stored(project)["tracks"] == old["tracks"]
    undone = api.post(f"{url(project)}/undo").json()["patch"]
    assert undone == [{"op": "replace", "path": "/tracks/0/clips/0/start_ms", "value": 250}]


def test_they_may_be_sent_back_but_for_effects_that_are_nobodys(
    api: APIClient,
    project: Project,
    old: dict[str, Any],
    stored: Callable[[Project], dict[str, Any]],
) -> None:
    old["tracks"][0]["clips"][3]["effects"] = []

    sent = {name: old[name] for name in ("version", "settings", "tracks")}

    answer = put(api, project, sent | {"transcript": {"segments": old["transcript"]["segments"]}})

    assert [each["path"] for each in answer.json()["patch"]] == ["/tracks/0/clips/3/effects"]
    check_stored(stored(project))
