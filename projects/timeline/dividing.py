"""Divide clips into parts and join parts again; nothing is lost between them."""

import uuid
from collections.abc import Iterable, Iterator

from projects.timeline.content import (
    PERMILLE,
    Clip,
    EffectRecord,
    effect_of,
    end_of,
    speed_permille,
)

TimeRange = tuple[int, int]
"""Milliseconds of a source: begin, end."""


def new_id() -> str:
    """Return an id for a clip or a track."""
    return str(uuid.uuid4())


def range_of(clip: Clip) -> TimeRange:
    """Return the range of its source that a clip plays."""
    return clip["in_point_ms"], clip["out_point_ms"]


def lengths(source_ms: int, permille: int) -> tuple[int, int]:
    """Return the shortest and the longest that so much of a source may last on the timeline."""
    return source_ms * PERMILLE // permille, -(-source_ms * PERMILLE // permille)


def find_division(clip: Clip, offset_ms: int) -> tuple[int, int] | None:
    """Return where a clip can be divided: in its time on the timeline, and in its source's.

    Both count from its start. Each part has a length that fits its source, as the whole has. The
    place is ``offset_ms`` exactly, except for a clip that is slower than its source: that is
    divided between two milliseconds of the source. None if there are no two.
    """
    permille = speed_permille(clip["effects"])
    length, source = clip["duration_ms"], clip["out_point_ms"] - clip["in_point_ms"]
    if source < 2:
        return None
    # A part fits as long as it is off by less than a millisecond of the timeline.
    above = max((offset_ms - 1) * permille, source * PERMILLE - (length - offset_ms + 1) * permille)
    below = min((offset_ms + 1) * permille, source * PERMILLE - (length - offset_ms - 1) * permille)
    at = (2 * offset_ms * permille + PERMILLE) // (2 * PERMILLE)
    at = min(max(at, above // PERMILLE + 1), -(-below // PERMILLE) - 1)
    at = min(max(at, 1), source - 1)
    shortest, longest = lengths(at, permille)
    behind = lengths(source - at, permille)
    return min(max(offset_ms, shortest, length - behind[1]), longest, length - behind[0]), at


def trimmed(clip: Clip, begin_ms: int, end_ms: int) -> tuple[int, int]:
    """Return start and length of a clip that plays another range of its source.

    What remains stays where it is: an edge that does not move in the source does not move at all.
    """
    permille = speed_permille(clip["effects"])
    start = clip["start_ms"] + _nearest(begin_ms - clip["in_point_ms"], permille)
    end = end_of(clip) + _nearest(end_ms - clip["out_point_ms"], permille)
    shortest, longest = lengths(max(0, end_ms - begin_ms), permille)
    duration = min(max(end - start, shortest), longest)
    return start if begin_ms == clip["in_point_ms"] else end - duration, duration


def _nearest(source_ms: int, permille: int) -> int:
    """Return how long some of the source is on the timeline; it may be negative."""
    return (2 * source_ms * PERMILLE + permille) // (2 * permille)


def share_effects(
    effects: Iterable[EffectRecord], *, before_ms: int, behind_ms: int, is_first: bool
) -> list[EffectRecord]:
    """Return the effects of a part of a clip, with so much of the clip before and behind the part.

    A fade continues in each part that it reaches; a cross-fade stays with the first part.
    """
    outside = {"fade_in": before_ms, "fade_out": behind_ms}
    shares = (
        _share_effect(effect, outside.get(effect["type"], 0))
        for effect in effects
        if is_first or effect["type"] != "cross_fade"
    )
    return [effect for effect in shares if effect is not None]


def _share_effect(effect: EffectRecord, outside_ms: int) -> EffectRecord | None:
    """Return a fade of which more lies outside the clip; None if all of it does."""
    if not outside_ms:
        return effect
    length, offset = effect.get("duration_ms"), effect.get("offset_ms", 0)
    if not (isinstance(length, int | float) and isinstance(offset, int | float)):
        return None  # It was stored before effects were checked.
    return {**effect, "offset_ms": offset + outside_ms} if length > offset + outside_ms else None


def part_of(
    clip: Clip, source: TimeRange, start_ms: int, clip_id: str, *, duration_ms: int
) -> Clip:
    """Return a range of a clip's source as a clip, at its place in the whole."""
    before = start_ms - clip["start_ms"]
    is_last = source[1] == clip["out_point_ms"]
    effects = share_effects(
        clip["effects"],
        before_ms=before,
        behind_ms=0 if is_last else clip["duration_ms"] - before - duration_ms,
        is_first=source[0] == clip["in_point_ms"],
    )
    return {
        **clip,
        "id": clip_id,
        "start_ms": start_ms,
        "duration_ms": duration_ms,
        "in_point_ms": source[0],
        "out_point_ms": source[1],
        "effects": effects,
    }


def halves(clip: Clip, offset_ms: int, new_clip_id: str) -> tuple[Clip, Clip] | None:
    """Return the two parts of a clip that is divided; they touch, and are as long as it."""
    division = find_division(clip, offset_ms)
    if division is None:
        return None
    length, at = division[0], clip["in_point_ms"] + division[1]
    rest, start = clip["duration_ms"] - length, clip["start_ms"] + length
    before, behind = (clip["in_point_ms"], at), (at, clip["out_point_ms"])
    return (
        part_of(clip, before, clip["start_ms"], clip["id"], duration_ms=length),
        part_of(clip, behind, start, new_clip_id, duration_ms=rest),
    )


def undivided(clips: Iterable[Clip]) -> Iterator[Clip]:
    """Yield a track's clips, in order of time, with those joined that were only divided."""
    whole: Clip | None = None
    for clip in clips:
        joined = joined_with(whole, clip) if whole is not None else None
        if whole is not None and joined is None:
            yield whole
        whole = joined or clip
    if whole is not None:
        yield whole


def joined_with(first: Clip, second: Clip) -> Clip | None:
    """Return the clip that would be divided into these two, if there is one.

    Its length may not fit its source: several parts may together be off by more than one is.
    """
    if first["media_file_id"] != second["media_file_id"]:
        return None
    if (end_of(first), first["out_point_ms"]) != (second["start_ms"], second["in_point_ms"]):
        return None
    if first["deleted"] != second["deleted"]:
        return None
    end = effect_of(second["effects"], "fade_out")
    effects = [effect for effect in first["effects"] if effect["type"] != "fade_out"]
    effects += [end] if end else []
    before, behind = first["duration_ms"], second["duration_ms"]
    of_left = share_effects(effects, before_ms=0, behind_ms=behind, is_first=True)
    of_right = share_effects(effects, before_ms=before, behind_ms=0, is_first=False)
    if not (_has_effects(first, of_left) and _has_effects(second, of_right)):
        return None
    joined: Clip = {**first, "duration_ms": before + behind, "out_point_ms": second["out_point_ms"]}
    return {**joined, "effects": effects}


def _has_effects(clip: Clip, effects: list[EffectRecord]) -> bool:
    """Return True if the clip has these effects, in whatever order."""
    return {effect["type"]: effect for effect in clip["effects"]} == {
        effect["type"]: effect for effect in effects
    }
