"""Transcription: what is said when, and by whom; merged into the project's EDL."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, Field
from rest_framework import serializers

from auteur.core.api.problems import NotFoundProblem
from gpu_tasks.runtime.contract import PlainModel
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.transcription import contract
from gpu_tasks.transcription.contract import RecordingTranscript
from jobs.features.base import Feature
from jobs.features.files import MAX_APART_BYTES, RESULT_KEY, Write
from jobs.features.parameters import MediaField, Parameters, check_length
from jobs.models import Attempt, Job
from media.models import MediaType
from media.storage import object_storage
from projects import transcript


class TranscriptionOutput(PlainModel):
    """The result of a transcription."""

    transcript: RecordingTranscript | None = Field(
        default=None,
        exclude_if=lambda transcript: transcript is None,
        description="The transcript. Absent only if it is no longer stored.",
    )
    result_url: str = Field(
        description="The URL of the transcript as a JSON file. It expires after 15 minutes."
    )
    segments_count: int = Field(ge=0)
    heard: Literal["speech", "sound", "silence"] = Field(
        description="What the recording contains. `sound` and `silence` have no words."
    )
    language: str


def _longest_ms(*, by_speaker: bool = False) -> int:
    return contract.get_longest_ms(FEATURE.engine, by_speaker=by_speaker)


class TranscriptionParameters(Parameters):
    """`POST /jobs/transcription`."""

    media_id = MediaField(
        types=(MediaType.AUDIO, MediaType.VIDEO), consent=None, sound=True, longest_ms=_longest_ms
    )
    language = serializers.CharField(default="en", max_length=8, help_text="ISO 639-1.")
    speaker_diarization = serializers.BooleanField(
        default=True, help_text="Label the speakers. GPU engines then accept 2 hours instead of 3."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the chosen engine transcribes the recording within its time limit."""
        longest_ms = _longest_ms(by_speaker=attrs["speaker_diarization"])
        check_length(longest_ms, attrs["media_id"], field="media_id")
        return super().validate(attrs)

    def validate_language(self, language: str) -> str:
        """Return the language in lower case; refuse one that the engine does not know."""
        if language.lower() not in (languages := contract.LANGUAGES[FEATURE.engine]):
            detail = f"This is not a language of the engine: use {', '.join(sorted(languages))}."
            raise serializers.ValidationError(detail, code="unknown_language")
        return language.lower()


class _Transcription(Feature):
    name = "transcription"
    summary = "Transcribe the speech of a recording"
    contract = contract.CONTRACT
    making = None
    parameters = TranscriptionParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 1, "per_started_ms": 120_000}
    measured = "media_id"
    output = TranscriptionOutput
    stored_apart: ClassVar[Mapping[str, type[BaseModel]]] = {"transcript": RecordingTranscript}
    example: ClassVar[Mapping[str, Any]] = {"media_id": "interview.mp4", "language": "en"}

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """Return the payload, with the object for the transcript."""
        key = f"users/{job.user_id}/jobs/{job.pk}/{attempt.pk}/transcript.json"
        transcript = Write(key=key, content_type="application/json")
        return {**super().prepare(job, attempt), "transcript": transcript}

    def collect(self, attempt: Attempt, result: PlainModel) -> dict[str, Any]:
        """Read the stored transcript and validate it."""
        key = cast(dict[str, Any], attempt.payload)["transcript"]["write"]["key"]
        raw = object_storage().read(key, max_bytes=MAX_APART_BYTES)
        transcript = contract.RecordingTranscript.model_validate_json(raw)
        return {
            "transcript": transcript.model_dump(mode="json"),
            RESULT_KEY: key,
            "segments_count": len(transcript.segments),
            "heard": transcript.content_kind,
            "language": transcript.language,
        }

    def deliver(self, job: Job, output: dict[str, Any]) -> None:
        """Merge the segments into the project's EDL, if the project still exists."""
        if job.project_id is None:
            return
        try:
            transcript.merge_transcript(
                project_id=job.project_id,
                user_id=job.user_id,
                media_file_id=job.media_ids[0],
                job_id=job.pk,
                segments=output["transcript"]["segments"],
                language=output["transcript"]["language"],
            )
        except NotFoundProblem:
            return  # The project was deleted meanwhile. The job still has its transcript.
        except transcript.TranscriptTooLargeProblem as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, str(exc.detail)) from exc


FEATURE = _Transcription()
