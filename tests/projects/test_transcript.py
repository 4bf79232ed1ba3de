"""Merging transcripts: per media, no step to undo, once per job, at once, within bounds."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bson
import pytest
from django.db import connections
from django.utils import timezone
from pymongo.collection import Collection
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api.problems import NotFoundProblem
from gpu_tasks.transcription.contract import TranscribedSegment
from projects import edl, transcript
from projects.documents import (
    MAX_APPLIED_JOBS,
    MAX_TRANSCRIPT_BYTES,
)
from projects.models import Project
from projects.timeline import editing, patching
from tests.projects.timeline.making import check_stored, parsed

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]
THREADS = 8


def said(*texts: str) -> list[dict[str, Any]]:
    """Segments as an engine reports them, one second each."""
    return [
        TranscribedSegment.model_validate(
            {
                "speaker": "Speaker 1",
                "start_ms": 1000 * index,
                "end_ms": 1000 * index + 900,
                "text": text,
                "words": [
                    {
                        "word": word,
                        "start_ms": 1000 * index,
                        "end_ms": 1000 * index,
                        "confidence": 1,
                    }
                    for word in text.split()
                ],
            }
        ).model_dump(mode="json")
        for index, text in enumerate(texts)
    ]


def merge(
    project: Project,
    media: uuid.UUID,
    segments: list[dict[str, Any]],
    job: uuid.UUID | None = None,
    language: str | None = None,
) -> int:
    return transcript.merge_transcript(
        project_id=project.pk,
        user_id=project.user_id,
        media_file_id=media,
        job_id=job or uuid.uuid4(),
        segments=segments,
        language=language,
    )


def texts_of(document: dict[str, Any]) -> list[str]:
    return [segment["text"] for segment in document["transcript"]["segments"]]


def test_segments_are_stored_with_every_field(project: Project, stored: Stored) -> None:
    media = uuid.uuid4()

    version = merge(project, media, said("Hello world"))

    document = stored(project)
    segment = dict(document["transcript"]["segments"][0])
    assert version == document["version"] == 2
    assert document["transcript"]["generated_at"] is not None
    assert str(uuid.UUID(segment.pop("id")))
    assert segment == {
        "media_file_id": str(media),
        "speaker": "Speaker 1",
        "start_ms": 0,
        "end_ms": 900,
        "text": "Hello world",
        "words": [
            {"word": "Hello", "start_ms": 0, "end_ms": 0, "confidence": 1.0},
            {"word": "world", "start_ms": 0, "end_ms": 0, "confidence": 1.0},
        ],
        "deleted": False,
        "edited_text": None,
    }
    check_stored(document)


def test_only_the_same_medias_segments_are_replaced_in_their_place(
    project: Project, stored: Stored
) -> None:
    first, second, third = (uuid.uuid4() for _ in range(3))
    merge(project, first, said("a1", "a2"))
    merge(project, second, said("b1", "b2"))
    merge(project, third, said("c1"))

    version = merge(project, second, said("B1", "B2", "B3"))

    document = stored(project)
    assert version == 5
    assert texts_of(document) == ["a1", "a2", "B1", "B2", "B3", "c1"]
    assert len({segment["id"] for segment in document["transcript"]["segments"]}) == 6


def test_a_merge_is_no_step_and_forgets_none(project: Project, stored: Stored) -> None:
    key = {"project_id": project.pk, "user_id": project.user_id}
    for name in ("Picture", "Sound"):
        editing.apply_operations(
            **key,
            versions=None,
            operations=parsed({"op": "add_track", "type": "video", "name": name}),
        )
    editing.undo_edit(**key)
    before = stored(project)

    merge(project, uuid.uuid4(), said("a1"))

    after = stored(project)
    assert after["version"] == before["version"] + 1
    assert after["undo_stack"] == before["undo_stack"]
    assert after["redo_stack"] == before["redo_stack"]
    editing.redo_edit(**key)
    editing.undo_edit(**key)
    editing.undo_edit(**key)
    assert texts_of(stored(project)) == ["a1"]


def test_steps_of_before_deliveries_were_none_end_what_can_be_undone(
    project: Project, edls: Collection[dict[str, Any]], stored: Stored
) -> None:
    key = {"project_id": project.pk, "user_id": project.user_id}
    step = {"edit": {"kind": "replace_segments"}, "bytes": 30, "created_at": timezone.now()}
    edls.update_one({"project_id": str(project.pk)}, {"$set": {"undo_stack": [step]}})

    with pytest.raises(editing.NothingToUndoProblem):
        editing.undo_edit(**key)
    merge(project, uuid.uuid4(), said("a1"))

    assert stored(project)["undo_stack"] == []


def test_a_job_is_merged_once(project: Project, stored: Stored) -> None:
    media, job = uuid.uuid4(), uuid.uuid4()
    version = merge(project, media, said("first"), job)

    again = merge(project, media, said("second"), job)

    assert (version, again) == (2, 2)
    assert texts_of(stored(project)) == ["first"]


def test_a_job_is_merged_once_by_many_threads(project: Project, stored: Stored) -> None:
    media, job = uuid.uuid4(), uuid.uuid4()

    with ThreadPoolExecutor(THREADS) as threads:
        calls = [threads.submit(merge, project, media, said("a1"), job) for _ in range(THREADS)]

    assert {call.result() for call in calls} == {2}
    document = stored(project)
    assert (document["version"], texts_of(document)) == (2, ["a1"])


def test_merges_of_other_media_at_once_all_arrive(project: Project, stored: Stored) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        calls = [
            threads.submit(merge, project, uuid.uuid4(), said(f"media {number}"))
            for number in range(THREADS)
        ]

    assert sorted(call.result() for call in calls) == list(range(2, THREADS + 2))
    assert sorted(texts_of(stored(project))) == [f"media {number}" for number in range(THREADS)]


@pytest.mark.django_db(transaction=True)
def test_a_missing_document_is_made_once_by_many_threads(
    project: Project, edls: Collection[dict[str, Any]], stored: Stored
) -> None:
    edls.delete_one({"project_id": str(project.pk)})
    Project.objects.filter(pk=project.pk).update(edl_id=None, edl_version=None)

    def merge_in_thread(number: int) -> None:
        try:
            merge(project, uuid.uuid4(), said(f"media {number}"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(merge_in_thread, range(THREADS)))

    assert stored(project)["version"] == THREADS + 1
    assert edls.count_documents({"project_id": str(project.pk)}) == 1


def test_a_project_that_is_gone_takes_no_transcript(
    project: Project, edls: Collection[dict[str, Any]]
) -> None:
    edl.delete_document(project_id=project.pk, user_id=project.user_id)
    Project.objects.filter(pk=project.pk).delete()

    with pytest.raises(NotFoundProblem):
        merge(project, uuid.uuid4(), said("too late"))

    assert edls.count_documents({"project_id": str(project.pk)}) == 0


@pytest.mark.parametrize(("later_jobs", "merged_again"), [(0, False), (1, True)])
def test_the_last_jobs_are_remembered(
    project: Project,
    edls: Collection[dict[str, Any]],
    stored: Stored,
    later_jobs: int,
    merged_again: bool,
) -> None:
    media, job = uuid.uuid4(), uuid.uuid4()
    since = [str(uuid.uuid4()) for _ in range(MAX_APPLIED_JOBS - 2)]
    edls.update_one({"project_id": str(project.pk)}, {"$set": {"applied_jobs": [str(job), *since]}})
    for _ in range(1 + later_jobs):
        merge(project, media, said("later"))

    merge(project, media, said("again"), job)

    assert (texts_of(stored(project)) == ["again"]) is merged_again
    assert len(stored(project)["applied_jobs"]) == MAX_APPLIED_JOBS


def test_a_transcript_of_just_its_bound_fits_and_one_byte_more_does_not(
    project: Project, stored: Stored
) -> None:
    media = uuid.uuid4()
    segment = said("")[0]
    merge(project, media, [segment])
    room = MAX_TRANSCRIPT_BYTES - len(bson.encode(stored(project)["transcript"]))

    version = merge(project, media, [segment | {"text": "x" * room}])
    with pytest.raises(transcript.TranscriptTooLargeProblem) as refusal:
        merge(project, media, [segment | {"text": "x" * (room + 1)}])

    assert version == stored(project)["version"] == 3
    assert refusal.value.status_code == 413


def test_what_has_no_room_beside_a_delivery_can_no_longer_be_undone(
    project: Project, stored: Stored
) -> None:
    key = {"project_id": project.pk, "user_id": project.user_id}
    words_30_000 = said(*([" ".join(["extraordinary"] * 100)] * 300))
    merge(project, uuid.uuid4(), words_30_000)
    emptied: list[patching.Operation] = [
        {"op": "replace", "path": "/transcript/segments", "value": []}
    ]
    editing.patch_edl(**key, versions=None, operations=emptied)
    editing.apply_operations(
        **key, versions=None, operations=parsed({"op": "add_track", "type": "video", "name": "P"})
    )

    merge(project, uuid.uuid4(), words_30_000)

    assert len(stored(project)["undo_stack"]) == 1
    editing.undo_edit(**key)
    document = stored(project)
    assert document["tracks"] == []
    assert len(document["transcript"]["segments"]) == 300
    assert document["transcript_bytes"] == len(bson.encode(document["transcript"]))
    assert len(bson.encode(document)) < 16 * 1024**2
    with pytest.raises(editing.NothingToUndoProblem):
        editing.undo_edit(**key)


def test_the_language_is_kept_with_what_was_said_in_it(
    project: Project, user: User, client_of: Callable[[User], APIClient]
) -> None:
    media = uuid.uuid4()
    merge(project, media, said("before languages were kept"))
    api, path = client_of(user), f"/projects/{project.pk}"
    assert api.get(f"{path}/transcript.json").json()["language"] == "und"

    merge(project, media, said("one", "two"), language="en")

    written = api.get(f"{path}/edl").json()
    assert [segment["language"] for segment in written["transcript"]["segments"]] == ["en", "en"]
    assert api.get(f"{path}/transcript.json").json()["language"] == "en"
    same = api.put(f"{path}/edl", written, format="json", headers={"If-Match": "*"}).json()
    assert (same["version"], same["patch"]) == (written["version"], [])


def test_reading_gives_the_transcript_with_its_version(project: Project) -> None:
    merge(project, uuid.uuid4(), said("a1"))

    transcript_value = transcript.read_transcript(project_id=project.pk, user_id=project.user_id)

    assert set(transcript_value) == {"version", "generated_at", "segments"}
    assert transcript_value["version"] == 2
