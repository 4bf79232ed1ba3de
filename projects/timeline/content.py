"""What edits work on: an EDL as plain values, which are shared and never mutated.

What they hold is checked by `projects.timeline.shape`; the types here say the same to mypy, and a
test compares the two. What need not be there is stored only where it says something.

An edit makes new lists and dicts for what it changes and keeps the rest, so that what has changed
is found by identity. Segments that an edit does not need stand as ``{"id": …}`` alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NotRequired, Required, TypedDict, TypeVar, cast

from gpu_tasks.runtime.errors import AuteurError

PERMILLE = 1000


class Effect(TypedDict, total=False):
    """Of a clip; one that is known has some of these parameters, a client's own has others."""

    type: Required[str]
    rate: float
    duration_ms: int
    offset_ms: int
    db: float


class OriginRecord(TypedDict):
    """What a clip was before any of it was deleted."""

    id: str
    duration_ms: int
    in_point_ms: int
    out_point_ms: int
    effects: NotRequired[list[Effect]]


class CutRecord(TypedDict):
    """How a clip was deleted."""

    mode: str
    segment_id: str | None
    start_ms: NotRequired[int]
    in_point_ms: NotRequired[int]
    out_point_ms: NotRequired[int]
    lead_ms: NotRequired[int]
    closed_ms: NotRequired[int]
    origin: NotRequired[OriginRecord]


class Clip(TypedDict):
    """A stretch of a media file on a track."""

    id: str
    media_file_id: str
    track_id: str
    start_ms: int
    duration_ms: int
    in_point_ms: int
    out_point_ms: int
    effects: list[Effect]
    deleted: bool
    cut: NotRequired[CutRecord]
    offline: NotRequired[bool]


class Track(TypedDict):
    """Clips in no order."""

    id: str
    type: str
    name: str
    clips: list[Clip]


class Word(TypedDict):
    """One spoken word, in the media's times."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float
    edited_word: NotRequired[str]
    deleted: NotRequired[bool]


class Segment(TypedDict):
    """What one speaker said without a pause, in the media's times."""

    id: str
    media_file_id: str
    speaker: str
    start_ms: int
    end_ms: int
    text: str
    words: list[Word]
    deleted: bool
    edited_text: str | None
    language: NotRequired[str]


class Transcript(TypedDict):
    """What is said in the project's media."""

    generated_at: datetime | None
    segments: list[Segment]


class Resolution(TypedDict):
    """Pixels."""

    width: int
    height: int


class Settings(TypedDict):
    """Of a timeline."""

    resolution: Resolution
    frame_rate: float
    duration_ms: int


class CaptionsStyle(TypedDict):
    """How captions look that are burned in."""

    font: str
    bold: bool
    size_percent: float
    color: str
    background_color: str | None
    outline_color: str | None
    outline_percent: float
    position: str
    alignment: str
    max_lines: int
    max_line_length: int
    uppercase: bool


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

    A user's own name stands with the user alone.
    """

    type: Literal["user", "api_key"]
    id: str
    name: NotRequired[str]


class StepEdit(TypedDict):
    """What undo or redo does; whose edit it is about, and by which operations, each named once."""

    kind: str
    changes: list[Change]
    author: NotRequired[Author | None]
    operations: NotRequired[list[str]]


class Step(TypedDict):
    """One step of the undo or redo stack; of most reads only its ``bytes``.

    It was ``created_at`` when its edit was made, however often that was undone and redone since.
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
    settings: Settings
    tracks: list[Track]
    transcript: Transcript
    transcript_bytes: int
    captions_style: CaptionsStyle | None
    undo_stack: list[Step]
    redo_stack: list[Step]
    applied_jobs: list[str]


Value = TypeVar("Value", bound=Mapping[str, object])
Item = TypeVar("Item")


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
    captions_style: CaptionsStyle | None = None

    def with_tracks(self, tracks: list[Track]) -> "Content":
        return replace(self, tracks=tracks)


def replaced(items: list[Item], index: int, new: Item) -> list[Item]:
    """The list with another item in the place of one."""
    return [*items[:index], new, *items[index + 1 :]]


def without(value: Value, *names: str) -> Value:
    """The value without fields that need not be there."""
    return cast(Value, {name: each for name, each in value.items() if name not in names})


def all_clips(tracks: Iterable[Track]) -> Iterator[Clip]:
    """The clips of all tracks, deleted ones too."""
    for track in tracks:
        yield from track["clips"]


def end_of(clip: Clip) -> int:
    """Where it ends on the timeline."""
    return clip["start_ms"] + clip["duration_ms"]


def duration_of(tracks: Iterable[Track]) -> int:
    """How long the timeline is: the end of the last clip that is not deleted."""
    ends = [end for track in tracks for end in ends_of(track["clips"])]
    return max(ends, default=0)


def ends_of(clips: Iterable[Clip]) -> list[int]:
    """Where those end that are not deleted."""
    return [clip["start_ms"] + clip["duration_ms"] for clip in clips if not clip["deleted"]]


def effect_of(effects: Iterable[Effect], kind: str) -> Effect | None:
    """The effect of a type, of which a clip has one at most."""
    return next((effect for effect in effects if effect["type"] == kind), None)


def speed_permille(effects: Iterable[Effect]) -> int:
    """How many milliseconds of the source pass in a second of the timeline."""
    speed = effect_of(effects, "speed")
    return PERMILLE if speed is None else round(speed["rate"] * PERMILLE)


def cross_fade_ms(clip: Clip) -> int:
    """By how much it may overlap the clip before it."""
    effect = effect_of(clip["effects"], "cross_fade")
    return effect["duration_ms"] if effect else 0


def on_timeline(source_ms: int, permille: int) -> int:
    """How long a stretch of the source is on the timeline.

    Rounded down, so that the parts of a clip are never longer together than the whole.
    """
    return source_ms * PERMILLE // permille


def in_source(timeline_ms: int, permille: int) -> int:
    """How much of the source passes in a stretch of the timeline, rounded up."""
    return -(-timeline_ms * permille // PERMILLE)
