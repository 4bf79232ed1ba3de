"""What is said in a project's media: merged in from transcription jobs, one media at a time."""

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
from projects.timeline.session import Needs, Session

TranscriptTooLargeProblem = edl.TranscriptTooLargeProblem


def read_transcript(*, project_id: UUID, user_id: UUID) -> dict[str, Any]:
    """The transcript with the EDL's ``version``."""
    wanted = {"version": 1, "transcript": 1}
    found = edl.find_document(project_id=project_id, user_id=user_id, fields=wanted)
    return {"version": found["version"], **found["transcript"]}


def merge_transcript(
    *,
    project_id: UUID,
    user_id: UUID,
    media_file_id: UUID,
    job_id: UUID,
    segments: Sequence[Mapping[str, Any]],
    language: str | None = None,
) -> int:
    """Put a job's segments in the place of the media's old ones; return the EDL's version.

    Made once per job however often this is called, and no step that a user could undo: it stays
    whatever is undone and redone, which is why the steps are carried over. ``segments`` are shaped
    as `gpu_tasks.transcription.contract.Segment`; times are the source media's, and each keeps the
    ``language`` (ISO 639). Raises ``NotFoundProblem`` if the project is gone,
    ``TranscriptTooLargeProblem``, and ``StaleEdlProblem`` only where others write without a pause.
    """
    new = [_segment(media_file_id, segment, language) for segment in segments]
    deliver = partial(_deliver_once, project_id, user_id, str(media_file_id), str(job_id), new)
    return editing.retry_on_conflict(deliver, seconds=math.inf)


def with_delivery(
    segments: Sequence[Segment], media_file_id: str, delivered: Sequence[Segment]
) -> list[Segment]:
    """The segments with what was delivered of a media in the place of all that is there of it."""
    index = _place(segments, media_file_id)
    others = [segment for segment in segments if segment["media_file_id"] != media_file_id]
    return [*others[:index], *delivered, *others[index:]]


def _deliver_once(
    project_id: UUID, user_id: UUID, media_file_id: str, job_id: str, new: Sequence[Segment]
) -> int:
    wanted = {"version": 1, "applied_jobs": 1}
    found = edl.find_document(project_id=project_id, user_id=user_id, fields=wanted)
    if job_id in found["applied_jobs"]:
        return int(found["version"])

    def change(content: Content) -> Content:
        named = speakers.named(new, content.segments, media_file_id)
        return replace(content, segments=with_delivery(content.segments, media_file_id, named))

    edited = editing.edit(
        project_id=project_id,
        user_id=user_id,
        versions=frozenset([found["version"]]),
        needs=Needs(transcript=True, steps=True),
        change=change,
        way=partial(_beside, media_file_id, job_id),
    )
    return edited.version


def _beside(media_file_id: str, job_id: str, session: Session, after: Content) -> edl.Update:
    """What is written with a delivery: when it came, that it came, and steps that fit it."""
    transcript: Transcript = {"generated_at": timezone.now(), "segments": after.segments}
    size = len(bson.encode(transcript))
    delivered = [one for one in after.segments if one["media_file_id"] == media_file_id]
    carried = history.carry_over_steps(
        session.stacks,
        segments=session.content.segments,
        transcript_bytes=size,
        deliver=partial(with_delivery, media_file_id=media_file_id, delivered=delivered),
    )
    dated = {"transcript.generated_at": transcript["generated_at"], "transcript_bytes": size}
    return {
        "$set": {**dated, **carried},
        "$push": {"applied_jobs": {"$each": [job_id], "$slice": -MAX_APPLIED_JOBS}},
    }


def _place(segments: Sequence[Segment], media_file_id: str) -> int:
    """Where the media's segments begin; at the end if it has none."""
    places = (i for i, one in enumerate(segments) if one["media_file_id"] == media_file_id)
    return next(places, len(segments))


def _segment(media_file_id: UUID, segment: Mapping[str, Any], language: str | None) -> Segment:
    made: Segment = {
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
    return made if language is None else {**made, "language": language}


def _word(word: Mapping[str, Any]) -> Word:
    return {
        "word": word["word"],
        "start_ms": word["start_ms"],
        "end_ms": word["end_ms"],
        "confidence": word["confidence"],
    }
