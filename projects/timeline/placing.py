"""Stretches of clips as clips of their own."""

import uuid
from typing import Any

from projects.timeline.content import Clip
from projects.timeline.dividing import division, shares

Span = tuple[int, int]
"""Milliseconds of the source: from, to."""


def new_id() -> str:
    """An id for a clip or a track."""
    return str(uuid.uuid4())


def part_of(
    clip: Clip, span: Span, start_ms: int, clip_id: str, *, duration_ms: int
) -> dict[str, Any]:
    """A stretch of a clip's source as a clip, lying where it lay in the whole.

    A fade goes on in each part that it reaches.
    """
    first = span[0] == clip["in_point_ms"]
    before = start_ms - clip["start_ms"]
    is_last = span[1] == clip["out_point_ms"]
    behind = 0 if is_last else clip["duration_ms"] - before - duration_ms
    effects = shares(clip["effects"], before_ms=before, behind_ms=behind, first=first)
    return {
        **clip,
        "id": clip_id,
        "start_ms": start_ms,
        "duration_ms": duration_ms,
        "in_point_ms": span[0],
        "out_point_ms": span[1],
        "effects": effects,
    }


def halves(clip: Clip, offset_ms: int, new_clip_id: str) -> tuple[Clip, Clip] | None:
    """The two parts of a clip that is divided; together as long as it, and touching."""
    found = division(clip, offset_ms)
    if found is None:
        return None
    length, at = found[0], clip["in_point_ms"] + found[1]
    rest, start = clip["duration_ms"] - length, clip["start_ms"] + length
    before, behind = (clip["in_point_ms"], at), (at, clip["out_point_ms"])
    return (
        part_of(clip, before, clip["start_ms"], clip["id"], duration_ms=length),
        part_of(clip, behind, start, new_clip_id, duration_ms=rest),
    )
