"""What is said in a project's media: merged in from transcription jobs, one media at a time."""

import contextlib
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import bson
from django.utils import timezone

from projects import edl, speakers
from projects.documents import MAX_APPLIED_JOBS, MAX_TRANSCRIPT_BYTES
from projects.timeline import history
from projects.timeline.content import Segment

STACKS = ("undo_stack", "redo_stack")
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

    Made once per job however often this is called, and no step that a user could undo: it stays
    whatever is undone and redone, which is why the steps are carried over. ``segments`` are shaped
    as `gpu_tasks.transcription.contract.Segment`; times are the source media's. Raises
    ``NotFound`` if the project is gone, ``TranscriptTooLarge``, and ``StaleEdl`` only where others
    write without a pause.
    """
    new = [_segment(media_file_id, segment) for segment in segments]
    for _ in range(MERGE_TRIES - 1):
        with contextlib.suppress(edl.StaleEdl):
            return _merge_once(project_id, user_id, media_file_id, job_id, new)
        time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 (only spreads the tries)
    return _merge_once(project_id, user_id, media_file_id, job_id, new)


def with_delivery(
    segments: Sequence[Segment], media_file_id: str, delivered: Sequence[Segment]
) -> list[Segment]:
    """The segments with what was delivered of a media in the place of all that is there of it."""
    index = _place(segments, media_file_id)
    others = [segment for segment in segments if segment["media_file_id"] != media_file_id]
    return [*others[:index], *delivered, *others[index:]]


def _merge_once(
    project_id: UUID,
    user_id: UUID,
    media_file_id: UUID,
    job_id: UUID,
    segments: Sequence[Segment],
) -> int:
    wanted = dict.fromkeys(["version", "transcript", "applied_jobs", *STACKS], 1)
    before = edl.find(project_id=project_id, user_id=user_id, projection=wanted)
    if str(job_id) in before["applied_jobs"]:
        return int(before["version"])
    old = before["transcript"]["segments"]
    named = speakers.named(segments, old, str(media_file_id))
    deliver = partial(with_delivery, media_file_id=str(media_file_id), delivered=named)
    after = {"generated_at": timezone.now(), "segments": deliver(old)}
    size = len(bson.encode(after))
    if size > MAX_TRANSCRIPT_BYTES:
        raise TranscriptTooLarge
    steps = {
        stack: history.carried(before[stack], segments=old, transcript_bytes=size, deliver=deliver)
        for stack in STACKS
    }
    moved = {stack: carried for stack, carried in steps.items() if carried != before[stack]}
    return edl.compare_and_set(
        project_id=project_id,
        user_id=user_id,
        expected_version=before["version"],
        update={
            "$set": {"transcript": after, "transcript_bytes": size, **moved},
            "$push": {"applied_jobs": {"$each": [str(job_id)], "$slice": -MAX_APPLIED_JOBS}},
        },
    )


def _place(segments: Sequence[Segment], media_file_id: str) -> int:
    """Where the media's segments begin; at the end if it has none."""
    places = (i for i, one in enumerate(segments) if one["media_file_id"] == media_file_id)
    return next(places, len(segments))


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
