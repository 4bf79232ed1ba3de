"""What edits work on: tracks and segments as plain values that are shared and never mutated.

An edit makes new lists and dicts for what it changes and keeps the rest, so that what has changed
is found by identity. Segments that an edit does not need stand as ``{"id": …}`` alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpu_tasks.runtime.errors import AuteurError

Clip = Mapping[str, Any]
Track = Mapping[str, Any]
Segment = Mapping[str, Any]
Effect = Mapping[str, Any]

PERMILLE = 1000


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

    def with_tracks(self, tracks: list[Track]) -> "Content":
        """The same with other tracks."""
        return replace(self, tracks=tracks)


def replaced(items: list[Any], index: int, new: Any) -> list[Any]:
    """The list with another item in the place of one."""
    return [*items[:index], new, *items[index + 1 :]]


def all_clips(tracks: Iterable[Track]) -> Iterator[Clip]:
    """The clips of all tracks, deleted ones too."""
    for track in tracks:
        yield from track["clips"]


def end_of(clip: Clip) -> int:
    """Where it ends on the timeline."""
    return int(clip["start_ms"] + clip["duration_ms"])


def duration_of(tracks: Iterable[Track]) -> int:
    """How long the timeline is: the end of the last clip that is not deleted."""
    return max((end_of(clip) for clip in all_clips(tracks) if not clip["deleted"]), default=0)


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
    return int(effect["duration_ms"]) if effect else 0


def on_timeline(source_ms: int, permille: int) -> int:
    """How long a stretch of the source is on the timeline.

    Rounded down, so that the parts of a clip are never longer together than the whole.
    """
    return source_ms * PERMILLE // permille


def in_source(timeline_ms: int, permille: int) -> int:
    """How much of the source passes in a stretch of the timeline, rounded up."""
    return -(-timeline_ms * permille // PERMILLE)
