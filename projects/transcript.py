"""Read a project's transcript, and merge results of transcription jobs, one media at a time."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import bson
from django.utils import timezone

from projects import edl, speakers
from projects.documents import MAX_APPLIED_JOBS
from projects.timeline import editing, history
from projects.timeline.content import Content, Segment, Transcript, Word
from projects.timeline.session import Edit, Needs, Session

TranscriptTooLargeProblem = edl.TranscriptTooLargeProblem


def read_transcript(*, project_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Return the transcript with the EDL's ``version``."""
    fields = {"version": 1, "transcript": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=fields)
    return {"version": document["version"], **document["transcript"]}


def merge_transcript(
    *,
    project_id: UUID,
    user_id: UUID,
    media_file_id: UUID,
    job_id: UUID,
    segments: Sequence[Mapping[str, Any]],
    language: str | None = None,
) -> int:
    """Replace the media's segments by those of a job; return the EDL's version.

    This is idempotent per job. It is no step that a user can undo: the delivery stays after every
    undo and redo, so the steps in the stacks are adapted to it. ``segments`` have the shape of
    `gpu_tasks.transcription.contract.Segment`, with times of the source media; each keeps the
    ``language`` (ISO 639). Raises ``NotFoundProblem`` if the project is deleted,
    ``TranscriptTooLargeProblem``, and ``StaleEdlProblem`` only if others write without a pause.
    """
    new = [_build_segment(media_file_id, segment, language) for segment in segments]
    deliver = partial(_deliver_once, project_id, user_id, str(media_file_id), str(job_id), new)
    return editing.retry_on_conflict(deliver, seconds=math.inf)


def with_delivery(
    segments: Sequence[Segment], media_file_id: str, delivered: Sequence[Segment]
) -> list[Segment]:
    """Return the segments, with those of one media replaced by the delivered segments."""
    index = _find_index(segments, media_file_id)
    other_segments = [segment for segment in segments if segment["media_file_id"] != media_file_id]
    return [*other_segments[:index], *delivered, *other_segments[index:]]


def _deliver_once(
    project_id: UUID, user_id: UUID, media_file_id: str, job_id: str, new: Sequence[Segment]
) -> int:
    fields = {"version": 1, "applied_jobs": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=fields)
    if job_id in document["applied_jobs"]:
        return int(document["version"])

    def change(content: Content) -> Content:
        named_segments = speakers.named(new, content.segments, media_file_id)
        return replace(
            content, segments=with_delivery(content.segments, media_file_id, named_segments)
        )

    edit = Edit(
        needs=Needs(transcript=True, steps=True),
        change=change,
        kind="system",
        extra_update=partial(_build_extra_update, media_file_id, job_id),
    )
    result = editing.try_edit(
        edit,
        project_id=project_id,
        user_id=user_id,
        versions=frozenset([document["version"]]),
    )
    return result.version


def _build_extra_update(
    media_file_id: str, job_id: str, session: Session, after: Content
) -> edl.Update:
    """Return the update that accompanies a delivery: its time, its job and the adapted steps."""
    transcript: Transcript = {"generated_at": timezone.now(), "segments": after.segments}
    size = len(bson.encode(transcript))
    delivered = [segment for segment in after.segments if segment["media_file_id"] == media_file_id]
    stack_updates = history.carry_over_steps(
        session.stacks,
        segments=session.content.segments,
        transcript_bytes=size,
        deliver=partial(with_delivery, media_file_id=media_file_id, delivered=delivered),
    )
    transcript_updates = {
        "transcript.generated_at": transcript["generated_at"],
        "transcript_bytes": size,
    }
    return {
        "$set": {**transcript_updates, **stack_updates},
        "$push": {"applied_jobs": {"$each": [job_id], "$slice": -MAX_APPLIED_JOBS}},
    }


def _find_index(segments: Sequence[Segment], media_file_id: str) -> int:
    """Return the index of the media's first segment, or of the end if it has none."""
    indexes = (
        index for index, segment in enumerate(segments) if segment["media_file_id"] == media_file_id
    )
    return next(indexes, len(segments))


def _build_segment(
    media_file_id: UUID, segment: Mapping[str, Any], language: str | None
) -> Segment:
    new_segment: Segment = {
        "id": str(uuid.uuid4()),
        "media_file_id": str(media_file_id),
        "speaker": segment["speaker"],
        "start_ms": segment["start_ms"],
        "end_ms": segment["end_ms"],
        "text": segment["text"],
        "words": [_build_word(word) for word in segment["words"]],
        "deleted": False,
        "edited_text": None,
    }
    return new_segment if language is None else {**new_segment, "language": language}


def _build_word(word: Mapping[str, Any]) -> Word:
    return {
        "word": word["word"],
        "start_ms": word["start_ms"],
        "end_ms": word["end_ms"],
        "confidence": word["confidence"],
    }
