"""The shape of what clients write: types, ranges, lengths, and what one value must hold alone."""

import uuid
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from projects.documents import (
    MAX_CLIPS,
    MAX_ID_LENGTH,
    MAX_SEGMENT_TEXT_LENGTH,
    MAX_SEGMENT_WORDS,
    MAX_SEGMENTS,
    MAX_SPEAKER_LENGTH,
    MAX_TIME_MS,
    MAX_TRACK_NAME_LENGTH,
    MAX_TRACKS,
    MAX_WORD_LENGTH,
    MIN_CLIP_MS,
)
from projects.timeline.content import PERMILLE, speed_permille
from projects.timeline.effects import Effects
from projects.timeline.lists import at_most


def _canonical(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as exc:
        raise PydanticCustomError("uuid", "This is no UUID.") from exc


Id = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9_.:-]{{1,{MAX_ID_LENGTH}}}$")]
MediaId = Annotated[
    str, StringConstraints(max_length=MAX_ID_LENGTH), AfterValidator(_canonical),
    Field(json_schema_extra={"format": "uuid"}),
]  # fmt: skip
Ms = Annotated[int, Field(strict=True, ge=0, le=MAX_TIME_MS)]
ClipMs = Annotated[int, Field(strict=True, ge=MIN_CLIP_MS, le=MAX_TIME_MS)]
UncutMs = Annotated[int, Field(strict=True, ge=0, le=MAX_CLIPS * MAX_TIME_MS)]
"""A time on a track before any of its clips was deleted."""
Flag = Annotated[bool, Field(strict=True)]
Mode = Literal["gap", "ripple"]
TrackType = Literal["video", "audio"]
TrackName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TRACK_NAME_LENGTH)]
SegmentText = Annotated[str, StringConstraints(max_length=MAX_SEGMENT_TEXT_LENGTH)]
WordText = Annotated[str, StringConstraints(max_length=MAX_WORD_LENGTH)]
Speaker = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SPEAKER_LENGTH)]


class Shape(BaseModel):
    """A value from a client: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OriginShape(Shape):
    """A clip before any of it was deleted; with its effects where the deleted part has not all."""

    id: Id
    duration_ms: ClipMs
    in_point_ms: Ms
    out_point_ms: Ms
    effects: Effects | None = None


class CutShape(Shape):
    """How a clip was deleted, and what it was cut from: read only, for restoring it."""

    mode: Mode
    segment_id: Id | None = None
    start_ms: UncutMs | None = None
    origin: OriginShape | None = None
    in_point_ms: Ms | None = None
    out_point_ms: Ms | None = None
    lead_ms: Ms | None = None
    closed_ms: Ms | None = None

    def stored(self) -> dict[str, Any]:
        """As MongoDB holds it: without what is not told."""
        fields = self.model_dump(exclude={"origin"})
        told = {name: value for name, value in fields.items() if value is not None}
        told = {"mode": self.mode, "segment_id": self.segment_id, **told}
        if self.origin is not None:
            plain = self.origin.effects is None
            told["origin"] = self.origin.model_dump(exclude={"effects"} if plain else None)
        return told


class ClipShape(Shape):
    """A clip; `out_point_ms − in_point_ms` is `duration_ms` times its speed."""

    id: Id
    media_file_id: MediaId
    track_id: Id
    start_ms: Ms
    duration_ms: ClipMs
    in_point_ms: Ms
    out_point_ms: Ms
    effects: Effects = []
    deleted: Flag = False
    cut: CutShape | None = None
    offline: Flag = Field(
        default=False,
        description="Whether its media file has been deleted; there where true, and read only.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        source_ms = self.out_point_ms - self.in_point_ms
        if source_ms <= 0:
            raise PydanticCustomError("empty_clip", "A clip ends after it begins.")
        effects = [effect.model_dump() for effect in self.effects] if self.effects else []
        permille = speed_permille(effects)
        if abs(self.duration_ms * permille - source_ms * PERMILLE) >= permille:
            raise PydanticCustomError(
                "clip_duration", "out_point_ms − in_point_ms must be duration_ms times the speed."
            )
        return self

    def stored(self) -> dict[str, Any]:
        """As MongoDB holds it; a clip that is there has not been cut, its mark is ours to set."""
        fields = self.model_dump(exclude={"offline", "cut"})
        if self.cut is not None and self.deleted:
            fields["cut"] = self.cut.stored()
        return fields


Clips = Annotated[list[ClipShape], Field(max_length=MAX_CLIPS), at_most(MAX_CLIPS)]


class TrackShape(Shape):
    """A track with its clips."""

    id: Id
    type: TrackType
    name: TrackName
    clips: Clips = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(clip.track_id != self.id for clip in self.clips):
            raise PydanticCustomError("clip_track", "A clip names the track that it lies on.")
        return self

    def stored(self) -> dict[str, Any]:
        """As MongoDB holds it."""
        fields = {"id": self.id, "type": self.type, "name": self.name}
        return {**fields, "clips": [clip.stored() for clip in self.clips]}


class WordShape(Shape):
    """One spoken word; times are the source media's."""

    word: WordText
    start_ms: Ms
    end_ms: Ms
    confidence: float = Field(strict=True, ge=0, le=1)
    edited_word: WordText | None = None
    deleted: Flag = False

    def stored(self) -> dict[str, Any]:
        """As MongoDB holds it: without the marks that it does not have."""
        fields = self.model_dump(exclude={"edited_word", "deleted"})
        if self.edited_word is not None:
            fields["edited_word"] = self.edited_word
        return {**fields, "deleted": True} if self.deleted else fields


WordShapes = Annotated[
    list[WordShape], Field(max_length=MAX_SEGMENT_WORDS), at_most(MAX_SEGMENT_WORDS)
]


class SegmentShape(Shape):
    """What one speaker said without a pause; times are the source media's."""

    id: Id
    media_file_id: MediaId
    speaker: Speaker
    start_ms: Ms
    end_ms: Ms
    text: SegmentText
    words: WordShapes
    deleted: Flag = False
    edited_text: SegmentText | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end_ms < self.start_ms:
            raise PydanticCustomError("segment_times", "A segment ends after it begins.")
        return self

    def stored(self) -> dict[str, Any]:
        """As MongoDB holds it."""
        fields = self.model_dump(exclude={"words", "deleted", "edited_text"})
        words = [word.stored() for word in self.words]
        marks = {"deleted": self.deleted, "edited_text": self.edited_text}
        return {**fields, "words": words, **marks}


Segments = Annotated[list[SegmentShape], Field(max_length=MAX_SEGMENTS), at_most(MAX_SEGMENTS)]


class TranscriptShape(Shape):
    """The transcript as a whole; `generated_at` is read only."""

    generated_at: AwareDatetime | None = None
    segments: Segments


class EdlShape(BaseModel):
    """What `PUT` takes. Of the fields that `GET` answers, the others are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tracks: Annotated[list[TrackShape], Field(max_length=MAX_TRACKS), at_most(MAX_TRACKS)]
    transcript: TranscriptShape | None = Field(default=None, description="Kept if absent.")
