"""Define, parse and serialize the messages that partners send and receive (docs/partners.md)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gpu_tasks.compression.contract import Target
from gpu_tasks.runtime.errors import AuteurError
from gpu_tasks.transcription.contract import RecordingTranscript
from jobs.integrations.partners.models import MAX_VIDEO_ID_LENGTH, Kind
from media.imports.limits import MAX_URL_LENGTH

MAX_METADATA_LENGTH = 1000
MAX_REASON_LENGTH = 300
VIDEO_ID = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_VIDEO_ID_LENGTH - 1}}}$"
"""It must be safe in a storage key, because captions are at ``videos/<id>.json``."""


class InvalidMessageError(AuteurError):
    """Raised if a message is not a request. The text repeats nothing of the message."""


class _Read(BaseModel):
    """The base of messages that partners send. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class Metadata(_Read):
    """Details of the video that a partner sends along. They are validated and not stored."""

    title: str | None = Field(default=None, max_length=MAX_METADATA_LENGTH)
    courseId: str | None = Field(default=None, max_length=MAX_METADATA_LENGTH)  # noqa: N815
    userId: str | None = Field(default=None, max_length=MAX_METADATA_LENGTH)  # noqa: N815


class Transcribe(_Read):
    """A video to be transcribed."""

    video_id: str = Field(pattern=VIDEO_ID)
    video_url: str = Field(min_length=1, max_length=MAX_URL_LENGTH)
    metadata: Metadata | None = None

    @field_validator("video_url")
    @classmethod
    def _check_text(cls, url: str) -> str:
        url.encode()  # A lone surrogate raises ValueError.
        return url

    @property
    def asked_for(self) -> str:
        """Return the options that, with the video's address, identify the work."""
        return ""


class Compress(Transcribe):
    """A video to be made smaller; ``target`` is that of the feature, ``web`` if there is none."""

    target: Target = "web"

    @property
    def asked_for(self) -> str:
        """Return the target as text. A number of bytes is in digits."""
        return str(self.target)


MODELS: Mapping[Kind, type[Transcribe]] = {Kind.TRANSCRIBE: Transcribe, Kind.COMPRESS: Compress}


def parse_message(kind: Kind, value: bytes, *, max_bytes: int) -> Transcribe:
    """Parse a message of this kind. Raise ``InvalidMessageError``."""
    if len(value) > max_bytes:
        raise InvalidMessageError(
            f"The message has {len(value)} bytes, but at most {max_bytes} are read."
        )
    try:
        return MODELS[kind].model_validate(_parse_object(value))
    except ValidationError as exc:
        raise InvalidMessageError(_describe_errors(exc)) from None


def _parse_object(value: bytes) -> dict[str, Any]:
    try:
        value_object = json.loads(
            value, object_pairs_hook=_build_unique_dict, parse_constant=_reject_constant
        )
    except (ValueError, RecursionError):
        raise InvalidMessageError("The message is not JSON, or has a name twice.") from None
    if not isinstance(value_object, dict):
        raise InvalidMessageError("The message is JSON, but not an object.")
    return value_object


def _build_unique_dict(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers disagree about which of two equal names counts.
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError
    return values


def _reject_constant(constant: str) -> None:
    raise ValueError


def _describe_errors(exc: ValidationError) -> str:
    errors = exc.errors(include_input=False, include_url=False, include_context=False)
    description = "; ".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors
    )
    return description[:MAX_REASON_LENGTH]


class Word(BaseModel):
    """One word; times in seconds of the video."""

    text: str
    start: float
    end: float


class Transcription(BaseModel):
    """The transcription of a video. ``duration`` is in seconds."""

    duration: float
    language: str
    words: list[Word]


class Transcribed(BaseModel):
    """The message `update_transcribe`, which is also the content of the captions file."""

    video_id: str
    transcription: Transcription

    @classmethod
    def of(cls, video_id: str, transcript: RecordingTranscript) -> "Transcribed":
        """Build the message of a transcript."""
        words = [
            Word(text=word.word, start=word.start_ms / 1000, end=word.end_ms / 1000)
            for segment in transcript.segments
            for word in segment.words
        ]
        transcription = Transcription(
            duration=transcript.duration_ms / 1000, language=transcript.language, words=words
        )
        return cls(video_id=video_id, transcription=transcription)


class Error(BaseModel):
    """The reason for a missing result: a code, a sentence, and True if a retry may help."""

    code: str
    message: str
    retryable: bool


class CreditsMissing(BaseModel):
    """The balance of the account and the price of the work."""

    balance: int
    required: int


class Failed(BaseModel):
    """The message `transcribe_failed` or `compress_failed`."""

    video_id: str
    error: Error
    credits: CreditsMissing | None = None


def dump_message(model: BaseModel) -> bytes:
    """Serialize a message."""
    return model.model_dump_json(exclude_none=True).encode()
