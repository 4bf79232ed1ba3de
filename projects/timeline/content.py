"""The values that edits work on, and the one schema of them: types, ranges, storage and API.

The `TypedDict` classes are types for mypy; Pydantic validates what clients send by the same
classes, and describes them to OpenAPI. What is validated is what is stored and answered. A field
that is not required is stored only where it says something.

Values are shared and never mutated: an edit makes new lists and dicts for what it changes and keeps
the rest, so that what has changed is found by identity. Segments that an edit does not need are
``{"id": …}`` alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from operator import is_
from typing import Annotated, Any, Literal, NotRequired, TypeVar, cast

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from gpu_tasks.runtime.errors import AuteurError
from projects.documents import (
    MAX_CLIPS,
    MAX_SEGMENT_WORDS,
    MAX_SEGMENTS,
    MAX_TRACKS,
)
from projects.timeline.effects import PERMILLE, STORED_EFFECTS, EffectRecord, speed_permille
from projects.timeline.fields import (
    OR_NULL,
    ClipMs,
    Flag,
    Id,
    Language,
    MediaId,
    Mode,
    Ms,
    SegmentText,
    SourceTimelineMs,
    Speaker,
    Stored,
    TrackName,
    TrackType,
    WordText,
    at_most,
)

__all__ = ["PERMILLE", "EffectRecord", "speed_permille"]

STRICT = ConfigDict(extra="forbid")
Value = TypeVar("Value", bound=Mapping[str, object])
Item = TypeVar("Item")


def without(value: Value, *names: str) -> Value:
    """Return the value without fields that are not required."""
    return cast(Value, {name: field for name, field in value.items() if name not in names})


def _about(description: str) -> Any:
    return Field(description=description)


EffectRecords = Annotated[list[EffectRecord], STORED_EFFECTS]
OptionalMs = Annotated[Ms, OR_NULL]


@with_config(STRICT)
class OriginRecord(TypedDict):
    """A clip before any of it was deleted."""

    id: Id
    duration_ms: ClipMs
    in_point_ms: Ms
    out_point_ms: Ms
    effects: NotRequired[
        Annotated[
            EffectRecords, OR_NULL, _about("There where the deleted part has not all of them.")
        ]
    ]


@with_config(STRICT)
class CutRecord(TypedDict):
    """How a clip was deleted, and what it was cut from; for us to restore it by, and read only."""

    mode: Annotated[Mode, _about("Whether the gap was left, or closed on its track.")]
    segment_id: Annotated[
        Id | None,
        Field(default=None, description="The segment of the transcript that it was cut out for."),
    ]
    start_ms: NotRequired[
        Annotated[
            SourceTimelineMs,
            OR_NULL,
            _about("Where it would begin had no ripple closed anything on its track."),
        ]
    ]
    in_point_ms: NotRequired[
        Annotated[
            OptionalMs,
            _about(
                "Where what was deleted begins, if more of the clip went with it: what "
                "remained was shorter than its cross-fade."
            ),
        ]
    ]
    out_point_ms: NotRequired[Annotated[OptionalMs, _about("Where that ends.")]]
    lead_ms: NotRequired[
        Annotated[OptionalMs, _about("How far behind its start its track was closed; 0 if absent.")]
    ]
    closed_ms: NotRequired[
        Annotated[OptionalMs, _about("By how much `ripple` has closed its track.")]
    ]
    origin: NotRequired[Annotated[OriginRecord, Stored(OriginRecord), OR_NULL]]


@with_config(STRICT)
class Clip(TypedDict):
    """A stretch of a media file on the timeline.

    `out_point_ms − in_point_ms` is `duration_ms` times its speed.
    """

    id: Id
    media_file_id: MediaId
    track_id: Id
    start_ms: Annotated[Ms, _about("Position on the timeline.")]
    duration_ms: Annotated[ClipMs, _about("Length on the timeline.")]
    in_point_ms: Annotated[Ms, _about("Where it begins in the source.")]
    out_point_ms: Annotated[Ms, _about("Where it ends in the source.")]
    effects: Annotated[
        EffectRecords,
        Field(default=[], description="Those written before names were checked stand as they are."),
    ]
    deleted: Annotated[Flag, Field(default=False)]
    cut: NotRequired[Annotated[CutRecord, Stored(CutRecord), OR_NULL]]
    offline: NotRequired[
        Annotated[
            Flag,
            Field(default=False),
            _about("There, and true, where its media file has been deleted; read only."),
        ]
    ]


def _check_clip(clip: Clip) -> Clip:
    """Check the length of a clip; drop ``offline``, and the mark of a clip that is not deleted."""
    source_ms = clip["out_point_ms"] - clip["in_point_ms"]
    if source_ms <= 0:
        raise PydanticCustomError("empty_clip", "A clip ends after it begins.")
    permille = speed_permille(clip["effects"])
    if abs(clip["duration_ms"] * permille - source_ms * PERMILLE) >= permille:
        raise PydanticCustomError(
            "clip_duration", "out_point_ms − in_point_ms must be duration_ms times the speed."
        )
    return without(clip, "offline") if clip["deleted"] else without(clip, "offline", "cut")


ValidClip = Annotated[Clip, Stored(Clip), AfterValidator(_check_clip)]


@with_config(STRICT)
class Track(TypedDict):
    """Clips that lie one behind the other in time; they are listed in no order."""

    id: Id
    type: TrackType
    name: TrackName
    clips: Annotated[
        list[ValidClip], Field(max_length=MAX_CLIPS), at_most(MAX_CLIPS), Field(default=[])
    ]


def _check_track(track: Track) -> Track:
    if any(clip["track_id"] != track["id"] for clip in track["clips"]):
        raise PydanticCustomError("clip_track", "A clip names the track that it lies on.")
    return track


ValidTrack = Annotated[Track, AfterValidator(_check_track)]
Tracks = Annotated[list[ValidTrack], Field(max_length=MAX_TRACKS), at_most(MAX_TRACKS)]


@with_config(STRICT)
class Word(TypedDict):
    """One spoken word; times are the source media's."""

    word: WordText
    start_ms: Ms
    end_ms: Ms
    confidence: Annotated[float, Field(strict=True, ge=0, le=1)]
    edited_word: NotRequired[Annotated[WordText, OR_NULL, _about("What is shown instead.")]]
    deleted: NotRequired[Annotated[Flag, Field(default=False), _about("True on deleted words.")]]


@with_config(STRICT)
class Segment(TypedDict):
    """What one speaker said without a pause; times are the source media's."""

    id: Id
    media_file_id: MediaId
    speaker: Speaker
    start_ms: Ms
    end_ms: Ms
    text: SegmentText
    words: Annotated[
        list[Annotated[Word, Stored(Word)]],
        Field(max_length=MAX_SEGMENT_WORDS),
        at_most(MAX_SEGMENT_WORDS),
    ]
    deleted: Annotated[Flag, Field(default=False)]
    edited_text: Annotated[SegmentText | None, Field(default=None)]
    language: NotRequired[
        Annotated[Language, OR_NULL, _about("ISO 639; absent where no transcription has told it.")]
    ]


def _check_segment(segment: Segment) -> Segment:
    if segment["end_ms"] < segment["start_ms"]:
        raise PydanticCustomError("segment_times", "A segment ends after it begins.")
    return segment


ValidSegment = Annotated[Segment, Stored(Segment), AfterValidator(_check_segment)]
Segments = Annotated[list[ValidSegment], Field(max_length=MAX_SEGMENTS), at_most(MAX_SEGMENTS)]


@with_config(STRICT)
class EdlResolution(TypedDict):
    """Pixels."""

    width: int
    height: int


@with_config(STRICT)
class EdlSettings(TypedDict):
    """Resolution and frame rate are the project's."""

    resolution: EdlResolution
    frame_rate: float
    duration_ms: int


for _kind, _name in (
    (OriginRecord, "OriginShape"),
    (CutRecord, "CutShape"),
    (Clip, "ClipShape"),
    (Track, "TrackShape"),
    (Word, "WordShape"),
    (Segment, "SegmentShape"),
):
    _kind.__name__ = _kind.__qualname__ = _name  # The API's schema calls them so.

CLIP: TypeAdapter[Clip] = TypeAdapter(ValidClip)
TRACK: TypeAdapter[Track] = TypeAdapter(ValidTrack)
SEGMENT: TypeAdapter[Segment] = TypeAdapter(ValidSegment)


class Transcript(TypedDict):
    """What is said in the project's media."""

    generated_at: datetime | None
    segments: list[Segment]


class Change(TypedDict):
    """The value at a dotted path, or elements taken out of the array there and others put in.

    ``remove`` counts in the old array; ``insert``, pairs of index and value, in the new one.
    """

    path: str
    value: NotRequired[Any]
    remove: NotRequired[list[int]]
    insert: NotRequired[list[list[Any]]]


class Author(TypedDict):
    """Who made an edit: a user, or one of their API keys by its ``name`` at that time.

    A user's own name is stored with the user alone.
    """

    type: Literal["user", "api_key"]
    id: str
    name: NotRequired[str]


class StepEdit(TypedDict):
    """What undo or redo does; whose edit that was, and by which operations, each named once."""

    kind: str
    changes: list[Change]
    author: NotRequired[Author | None]
    operations: NotRequired[list[str]]


class Step(TypedDict):
    """One step of the undo or redo stack; of most, only ``bytes`` is read.

    ``created_at`` is when its edit was made, however often that was undone and redone since.
    """

    edit: NotRequired[StepEdit]
    bytes: int
    created_at: NotRequired[datetime]


class Document(TypedDict, total=False):
    """An EDL's document, as far as it was read."""

    project_id: str
    version: int
    created_at: datetime
    updated_at: datetime
    settings: EdlSettings
    tracks: list[Track]
    transcript: Transcript
    transcript_bytes: int
    captions_style: dict[str, Any] | None
    undo_stack: list[Step]
    redo_stack: list[Step]
    applied_jobs: list[str]


class EditError(AuteurError):
    """An edit cannot be made: ``field`` of the operation, a stable ``code``, a sentence."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.code, self.detail = field, code, detail


@dataclass(frozen=True)
class Content:
    """The parts of an EDL that edits change."""

    tracks: list[Track]
    segments: list[Segment]
    captions_style: dict[str, Any] | None = None

    def with_tracks(self, tracks: list[Track]) -> "Content":
        return replace(self, tracks=tracks)


def replace_at(items: list[Item], index: int, new: Item) -> list[Item]:
    """Return the list with another item at an index."""
    return [*items[:index], new, *items[index + 1 :]]


def share_unchanged(after: list[Item], before: list[Item]) -> list[Item]:
    """Return the list of before if both have the same objects."""
    return before if len(after) == len(before) and all(map(is_, after, before)) else after


def all_clips(tracks: Iterable[Track]) -> Iterator[Clip]:
    """Yield the clips of all tracks, deleted ones too."""
    for track in tracks:
        yield from track["clips"]


def end_of(clip: Clip) -> int:
    """Return where the clip ends on the timeline."""
    return clip["start_ms"] + clip["duration_ms"]


def duration_of(tracks: Iterable[Track]) -> int:
    """Return how long the timeline is: the end of the last clip that is not deleted."""
    ends = [end for track in tracks for end in ends_of(track["clips"])]
    return max(ends, default=0)


def ends_of(clips: Iterable[Clip]) -> list[int]:
    """Return where the clips end that are not deleted."""
    return [clip["start_ms"] + clip["duration_ms"] for clip in clips if not clip["deleted"]]


def effect_of(effects: Iterable[EffectRecord], kind: str) -> EffectRecord | None:
    """Return the effect of a type, of which a clip has one at most."""
    return next((effect for effect in effects if effect["type"] == kind), None)


def cross_fade_ms(clip: Clip) -> int:
    """Return by how much the clip may overlap the clip before it."""
    effect = effect_of(clip["effects"], "cross_fade")
    return effect["duration_ms"] if effect else 0


def on_timeline(source_ms: int, permille: int) -> int:
    """Return how long a range of the source is on the timeline.

    Rounded down, so that the parts of a clip are never longer together than the whole.
    """
    return source_ms * PERMILLE // permille


def in_source(timeline_ms: int, permille: int) -> int:
    """Return how much of the source passes in a time on the timeline, rounded up."""
    return -(-timeline_ms * permille // PERMILLE)
