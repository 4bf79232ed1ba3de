"""What is said in a project's media: merged in from transcription jobs, one media at a time."""

import contextlib
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import bson
from django.utils import timezone

from projects import edl, speakers
from projects.documents import MAX_APPLIED_JOBS, MAX_TRANSCRIPT_BYTES

REPLACE_SEGMENTS = "replace_segments"
MERGE_TRIES = 30
MAX_PAUSE_SECONDS = 0.05


class TranscriptTooLarge(edl.EdlTooLarge):
    """The project's transcript would pass its bound; nothing was changed."""

    default_code = "transcript_too_large"
    default_detail = "The project's transcript would become too large."


def read(*, project_id: UUID, user_id: UUID) -> dict[str, Any]:
    """The transcript with the EDL's ``version``."""
    wanted = {"version": 1, "transcript": 1}
    found = edl.find(project_id=project_id, user_id=user_id, projection=wanted)
    return {"version": found["version"], **found["transcript"]}


def merge(
    *,
    project_id: UUID,
    user_id: UUID,
    media_file_id: UUID,
    job_id: UUID,
    segments: Sequence[Mapping[str, Any]],
) -> int:
    """Put a job's segments in the place of the media's old ones; return the EDL's version.

    One undoable edit, made once per job however often this is called. ``segments`` are shaped as
    `gpu_tasks.transcription.contract.Segment`; times are the source media's. Raises ``NotFound``
    if the project is gone, ``TranscriptTooLarge``, and ``StaleEdl`` only where others write without
    a pause.
    """
    new = [_segment(media_file_id, segment) for segment in segments]
    for _ in range(MERGE_TRIES - 1):
        with contextlib.suppress(edl.StaleEdl):
            return _merge_once(project_id, user_id, media_file_id, job_id, new)
        time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 (only spreads the tries)
    return _merge_once(project_id, user_id, media_file_id, job_id, new)


def replaced(
    transcript: Mapping[str, Any], edit: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The transcript after a ``replace_segments`` edit, and the edit that takes it back.

    The media's segments leave; the new ones stand at ``index`` among the others.
    """
    media_file_id = edit["media_file_id"]
    old = transcript["segments"]
    others = [segment for segment in old if segment["media_file_id"] != media_file_id]
    leaving = [segment for segment in old if segment["media_file_id"] == media_file_id]
    index = edit["index"]
    after = {
        "generated_at": edit["generated_at"],
        "segments": others[:index] + list(edit["segments"]) + others[index:],
    }
    inverse = {
        "kind": REPLACE_SEGMENTS,
        "media_file_id": media_file_id,
        "index": _place(transcript, media_file_id),
        "generated_at": transcript.get("generated_at"),
        "segments": leaving,
    }
    return after, inverse


def _merge_once(
    project_id: UUID,
    user_id: UUID,
    media_file_id: UUID,
    job_id: UUID,
    segments: list[dict[str, Any]],
) -> int:
    wanted = {"version": 1, "transcript": 1, "applied_jobs": 1}
    before = edl.find(project_id=project_id, user_id=user_id, projection=wanted)
    if str(job_id) in before["applied_jobs"]:
        return int(before["version"])
    edit = {
        "kind": REPLACE_SEGMENTS,
        "media_file_id": str(media_file_id),
        "index": _place(before["transcript"], str(media_file_id)),
        "generated_at": timezone.now(),
        "segments": speakers.named(segments, before["transcript"]["segments"], str(media_file_id)),
    }
    after, inverse = replaced(before["transcript"], edit)
    size = len(bson.encode(after))
    if size > MAX_TRANSCRIPT_BYTES:
        raise TranscriptTooLarge
    return edl.apply(
        project_id=project_id,
        user_id=user_id,
        expected_version=before["version"],
        update={
            "$set": {"transcript": after, "transcript_bytes": size},
            "$push": {"applied_jobs": {"$each": [str(job_id)], "$slice": -MAX_APPLIED_JOBS}},
        },
        inverse=inverse,
    )


def _place(transcript: Mapping[str, Any], media_file_id: str) -> int:
    """Where the media's segments begin; at the end if it has none."""
    ids = [segment["media_file_id"] for segment in transcript["segments"]]
    return ids.index(media_file_id) if media_file_id in ids else len(ids)


def _segment(media_file_id: UUID, segment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "media_file_id": str(media_file_id),
        "speaker": segment["speaker"],
        "start_ms": segment["start_ms"],
        "end_ms": segment["end_ms"],
        "text": segment["text"],
        "words": [_word(word) for word in segment["words"]],
        "deleted": False,
        "edited_text": None,
    }


def _word(word: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "word": word["word"],
        "start_ms": word["start_ms"],
        "end_ms": word["end_ms"],
        "confidence": word["confidence"],
    }
