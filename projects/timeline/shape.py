"""The shape of what clients write: types, ranges, lengths, and what one value must hold alone."""

import math
import uuid
from typing import Annotated, Any, Literal, Self

import bson
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

from projects.bounds import MAX_CROSS_FADE_MS, MAX_RATE, MIN_RATE
from projects.documents import (
    MAX_CLIPS,
    MAX_EFFECT_BYTES,
    MAX_EFFECTS,
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
from projects.timeline.lists import at_most

MAX_NUMBER = 2**53


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
Flag = Annotated[bool, Field(strict=True)]
Mode = Literal["gap", "ripple"]
TrackType = Literal["video", "audio"]
TrackName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TRACK_NAME_LENGTH)]
SegmentText = Annotated[str, StringConstraints(max_length=MAX_SEGMENT_TEXT_LENGTH)]
WordText = Annotated[str, StringConstraints(max_length=MAX_WORD_LENGTH)]
Speaker = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SPEAKER_LENGTH)]
EffectType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Shape(BaseModel):
    """A value from a client: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Effect(BaseModel):
    """Something done to a clip's picture or sound.

    Types with a meaning on the timeline: `speed` (`rate`, 0.1 to 10 in steps of 0.001) changes how
    long the clip is; `cross_fade` (`duration_ms`) lets it overlap the clip before it; `fade_in` and
    `fade_out` stay with the clip's edges when it is split. All others carry their parameters:
    strings, numbers, booleans, null, and lists of numbers.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    type: EffectType

    @model_validator(mode="after")
    def _check(self) -> Self:
        parameters = self.model_extra or {}
        if not all(map(_is_parameter, parameters.values())):
            raise PydanticCustomError("effect_parameter", "A parameter is not of a known kind.")
        if not all(name.isascii() and name.isidentifier() for name in parameters):
            raise PydanticCustomError("effect_parameter", "A parameter has no proper name.")
        if self.type == "speed":
            _check_rate(parameters.get("rate"))
        elif self.type == "cross_fade":
            _check_cross_fade(parameters.get("duration_ms"))
        if len(bson.encode(self.model_dump())) > MAX_EFFECT_BYTES:
            raise PydanticCustomError("effect_too_large", "The effect has too many parameters.")
        return self


def _is_parameter(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_number(item) for item in value)
    if isinstance(value, str):
        return value.encode(errors="replace").decode() == value  # no half of a surrogate pair
    return value is None or isinstance(value, bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= MAX_NUMBER


def _check_rate(rate: Any) -> None:
    fits = _is_number(rate) and MIN_RATE <= rate <= MAX_RATE
    if not fits or abs(rate * PERMILLE - round(rate * PERMILLE)) > 1e-6:
        raise PydanticCustomError(
            "speed_rate", "`rate` is a number from 0.1 to 10, in steps of 0.001."
        )


def _check_cross_fade(duration_ms: Any) -> None:
    fits = isinstance(duration_ms, int) and not isinstance(duration_ms, bool)
    if not fits or not 1 <= duration_ms <= MAX_CROSS_FADE_MS:
        raise PydanticCustomError(
            "cross_fade_duration", f"`duration_ms` is an integer from 1 to {MAX_CROSS_FADE_MS}."
        )


def _of_different_types(effects: list[Effect]) -> list[Effect]:
    if len({effect.type for effect in effects}) != len(effects):
        raise PydanticCustomError("duplicate_effect", "A clip has one effect of each type.")
    return effects


Effects = Annotated[
    list[Effect], Field(max_length=MAX_EFFECTS), AfterValidator(_of_different_types)
]


class CutShape(Shape):
    """How a clip was deleted."""

    mode: Mode
    segment_id: Id | None = None


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
        fields = self.model_dump(exclude={"offline"})
        if self.cut is None or not self.deleted:
            del fields["cut"]
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
