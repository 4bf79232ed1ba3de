"""What an EDL looks like: the one schema of what clients send, of what is stored and answered.

Types, ranges, lengths, what one value must hold alone, and what OpenAPI tells of it.
"""

import uuid
from operator import not_
from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gpu_tasks.render.contract.captions import CaptionsStyle
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
from projects.timeline import content
from projects.timeline.content import PERMILLE, Clip, Segment, Track, speed_permille
from projects.timeline.effects import Effects, stored_effects
from projects.timeline.lists import at_most


def _canonical(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as exc:
        raise PydanticCustomError("uuid", "This is no UUID.") from exc


Id = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9_.:-]{{1,{MAX_ID_LENGTH}}}$")]
MediaId = Annotated[
    str,
    StringConstraints(max_length=MAX_ID_LENGTH),
    AfterValidator(_canonical),
    Field(json_schema_extra={"format": "uuid"}),
]
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
Language = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35)
]
Speaker = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SPEAKER_LENGTH)]


def _is_none(value: object) -> bool:
    """Of a field that is neither stored nor answered where it is absent."""
    return value is None


class Shape(BaseModel):
    """A value as clients send it, and as it is stored and answered: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OriginShape(Shape):
    """A clip before any of it was deleted."""

    id: Id
    duration_ms: ClipMs
    in_point_ms: Ms
    out_point_ms: Ms
    effects: Effects | None = Field(
        default=None,
        exclude_if=_is_none,
        description="There where the deleted part has not all of them.",
    )


class CutShape(Shape):
    """How a clip was deleted, and what it was cut from; for us to restore it by, and read only."""

    mode: Mode = Field(description="Whether the gap was left, or closed on its track.")
    segment_id: Id | None = Field(
        default=None, description="The segment of the transcript that it was cut out for."
    )
    start_ms: UncutMs | None = Field(
        default=None,
        exclude_if=_is_none,
        description="Where it would begin had no ripple closed anything on its track.",
    )
    in_point_ms: Ms | None = Field(
        default=None,
        exclude_if=_is_none,
        description="Where what was deleted begins, if more of the clip went with it: what "
        "remained was shorter than its cross-fade.",
    )
    out_point_ms: Ms | None = Field(
        default=None, exclude_if=_is_none, description="Where that ends."
    )
    lead_ms: Ms | None = Field(
        default=None,
        exclude_if=_is_none,
        description="How far behind its start its track was closed; 0 if absent.",
    )
    closed_ms: Ms | None = Field(
        default=None, exclude_if=_is_none, description="By how much `ripple` has closed its track."
    )
    origin: OriginShape | None = Field(default=None, exclude_if=_is_none)


def _of_deleted(cut: CutShape | None, info: ValidationInfo) -> CutShape | None:
    """A clip that is there has not been cut."""
    return cut if info.data.get("deleted") else None


class ClipShape(Shape):
    """A stretch of a media file on the timeline.

    `out_point_ms − in_point_ms` is `duration_ms` times its speed.
    """

    id: Id
    media_file_id: MediaId
    track_id: Id
    start_ms: Ms = Field(description="Position on the timeline.")
    duration_ms: ClipMs = Field(description="Length on the timeline.")
    in_point_ms: Ms = Field(description="Where it begins in the source.")
    out_point_ms: Ms = Field(description="Where it ends in the source.")
    effects: Effects = Field(
        default=[], description="Those written before names were checked stand as they are."
    )
    deleted: Flag = False
    cut: Annotated[CutShape | None, AfterValidator(_of_deleted)] = Field(
        default=None, exclude_if=_is_none
    )
    offline: Annotated[Flag, AfterValidator(lambda sent: False)] = Field(
        default=False,
        exclude_if=not_,
        description="There, and true, where its media file has been deleted; read only.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        source_ms = self.out_point_ms - self.in_point_ms
        if source_ms <= 0:
            raise PydanticCustomError("empty_clip", "A clip ends after it begins.")
        permille = speed_permille(stored_effects(self.effects) if self.effects else [])
        if abs(self.duration_ms * permille - source_ms * PERMILLE) >= permille:
            raise PydanticCustomError(
                "clip_duration", "out_point_ms − in_point_ms must be duration_ms times the speed."
            )
        return self

    def stored(self) -> Clip:
        return cast(Clip, self.model_dump())


Clips = Annotated[list[ClipShape], Field(max_length=MAX_CLIPS), at_most(MAX_CLIPS)]


class TrackShape(Shape):
    """Clips that lie one behind the other in time; they are listed in no order."""

    id: Id
    type: TrackType
    name: TrackName
    clips: Clips = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(clip.track_id != self.id for clip in self.clips):
            raise PydanticCustomError("clip_track", "A clip names the track that it lies on.")
        return self

    def stored(self) -> Track:
        return cast(Track, self.model_dump())


Tracks = Annotated[list[TrackShape], Field(max_length=MAX_TRACKS), at_most(MAX_TRACKS)]


class WordShape(Shape):
    """One spoken word; times are the source media's."""

    word: WordText
    start_ms: Ms
    end_ms: Ms
    confidence: float = Field(strict=True, ge=0, le=1)
    edited_word: WordText | None = Field(
        default=None, exclude_if=_is_none, description="What is shown instead."
    )
    deleted: Flag = Field(default=False, exclude_if=not_, description="True on deleted words.")


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
    language: Language | None = Field(
        default=None,
        exclude_if=_is_none,
        description="ISO 639; absent where no transcription has told it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end_ms < self.start_ms:
            raise PydanticCustomError("segment_times", "A segment ends after it begins.")
        return self

    def stored(self) -> Segment:
        return cast(Segment, self.model_dump())


Segments = Annotated[list[SegmentShape], Field(max_length=MAX_SEGMENTS), at_most(MAX_SEGMENTS)]


class TranscriptShape(Shape):
    """What is said in the project's media; `generated_at` is read only."""

    generated_at: AwareDatetime | None = None
    segments: Segments


class CaptionsStyleShape(CaptionsStyle):
    """How captions look that are burned in; colours are `#RRGGBB`, or `#RRGGBBAA` with opacity."""


def _ignored() -> Any:
    return Field(default=None, exclude=True, description="As `GET` returns it. Ignored.")


class EdlShape(Shape):
    """The body of `PUT`: tracks and transcript. Other fields that `GET` returns are ignored."""

    project_id: Any = _ignored()
    version: Any = _ignored()
    created_at: Any = _ignored()
    updated_at: Any = _ignored()
    settings: Any = _ignored()
    undo_depth: Any = _ignored()
    redo_depth: Any = _ignored()
    tracks: Tracks
    transcript: TranscriptShape | None = Field(default=None, description="Snapshot if absent.")
    captions_style: CaptionsStyleShape | None = Field(
        default=None, description="The default if null; if absent it stays as it is."
    )


def stored_style(style: CaptionsStyle | None) -> content.CaptionsStyle | None:
    """As MongoDB holds it."""
    return None if style is None else cast(content.CaptionsStyle, style.model_dump())


class EdlResolution(Shape):
    """Pixels."""

    width: int
    height: int


class EdlSettings(Shape):
    """Resolution and frame rate are the project's."""

    resolution: EdlResolution
    frame_rate: float
    duration_ms: int


class Edl(Shape):
    """A project's edit decision list."""

    project_id: UUID
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    settings: EdlSettings
    tracks: Tracks
    transcript: TranscriptShape
    captions_style: CaptionsStyleShape | None = Field(
        description="Of captions that a render burns in; null is the default."
    )
    undo_depth: int = Field(description="How many edits can be undone.")
    redo_depth: int = Field(description="How many undone edits can be redone.")
