"""A clip divided into parts, and parts that are one clip again: nothing is lost between them."""

import uuid
from collections.abc import Iterable, Iterator

from projects.timeline.content import PERMILLE, Clip, Effect, effect_of, end_of, speed_permille

Span = tuple[int, int]
"""Milliseconds of the source: from, to."""


def new_id() -> str:
    """An id for a clip or a track."""
    return str(uuid.uuid4())


def lengths(source_ms: int, permille: int) -> tuple[int, int]:
    """The least and the most that a clip of so much of the source may last on the timeline."""
    return source_ms * PERMILLE // permille, -(-source_ms * PERMILLE // permille)


def division(clip: Clip, offset_ms: int) -> tuple[int, int] | None:
    """Where a clip can be divided, in its time on the timeline and in its source's, from its start.

    Both parts have lengths that fit their sources, as the whole has. At ``offset_ms`` exactly, but
    for a clip slower than its source: that is divided between two milliseconds of the source. None
    where there are no two.
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
    least, most = lengths(at, permille)
    behind = lengths(source - at, permille)
    return min(max(offset_ms, least, length - behind[1]), most, length - behind[0]), at


def trimmed(clip: Clip, begin_ms: int, end_ms: int) -> tuple[int, int]:
    """Where a clip begins, and how long it is, when it plays another stretch of its source.

    What remains stays where it is: an edge that is not moved in the source does not move at all.
    """
    permille = speed_permille(clip["effects"])
    start = clip["start_ms"] + _nearest(begin_ms - clip["in_point_ms"], permille)
    end = end_of(clip) + _nearest(end_ms - clip["out_point_ms"], permille)
    least, most = lengths(max(0, end_ms - begin_ms), permille)
    duration = min(max(end - start, least), most)
    return start if begin_ms == clip["in_point_ms"] else end - duration, duration


def _nearest(source_ms: int, permille: int) -> int:
    """How long some of the source is on the timeline, or the less than nothing that it is."""
    return (2 * source_ms * PERMILLE + permille) // (2 * permille)


def shares(
    effects: Iterable[Effect], *, before_ms: int, behind_ms: int, first: bool
) -> list[Effect]:
    """The effects of a part of a clip, which goes on so long before and behind the part.

    A fade goes on in each part that it reaches; a cross-fade stays with the ``first``.
    """
    outside = {"fade_in": before_ms, "fade_out": behind_ms}
    found = (
        _share(effect, outside.get(effect["type"], 0))
        for effect in effects
        if first or effect["type"] != "cross_fade"
    )
    return [effect for effect in found if effect is not None]


def _share(effect: Effect, outside_ms: int) -> Effect | None:
    """A fade of which more lies outside the clip; None if all does."""
    if not outside_ms:
        return effect
    length, offset = effect.get("duration_ms"), effect.get("offset_ms", 0)
    if not (isinstance(length, int | float) and isinstance(offset, int | float)):
        return None  # of a document from before they were checked
    return {**effect, "offset_ms": offset + outside_ms} if length > offset + outside_ms else None


def part_of(clip: Clip, span: Span, start_ms: int, clip_id: str, *, duration_ms: int) -> Clip:
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


def undivided(clips: Iterable[Clip]) -> Iterator[Clip]:
    """Clips of a track, in order of time, those that have only been divided being one again."""
    whole: Clip | None = None
    for clip in clips:
        joined = joined_with(whole, clip) if whole is not None else None
        if whole is not None and joined is None:
            yield whole
        whole = joined or clip
    if whole is not None:
        yield whole


def joined_with(left: Clip, right: Clip) -> Clip | None:
    """The clip that would be divided into these two, if there is one.

    Its length may not fit its source: several parts may together be off by more than one is.
    """
    if left["media_file_id"] != right["media_file_id"]:
        return None
    if (end_of(left), left["out_point_ms"]) != (right["start_ms"], right["in_point_ms"]):
        return None
    if left["deleted"] != right["deleted"]:
        return None
    end = effect_of(right["effects"], "fade_out")
    effects = [each for each in left["effects"] if each["type"] != "fade_out"]
    effects += [end] if end else []
    if not _same(left, shares(effects, before_ms=0, behind_ms=right["duration_ms"], first=True)):
        return None
    if not _same(right, shares(effects, before_ms=left["duration_ms"], behind_ms=0, first=False)):
        return None
    duration = left["duration_ms"] + right["duration_ms"]
    joined: Clip = {**left, "duration_ms": duration, "out_point_ms": right["out_point_ms"]}
    return {**joined, "effects": effects}


def _same(clip: Clip, effects: list[Effect]) -> bool:
    """Whether the clip has these effects, in whatever order."""
    return {each["type"]: each for each in clip["effects"]} == {e["type"]: e for e in effects}
