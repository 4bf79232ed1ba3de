"""A clip divided into parts, and parts that are one clip again: nothing is lost between them."""

from collections.abc import Iterable, Iterator
from typing import Any

from projects.timeline.content import PERMILLE, Clip, Effect, effect_of, end_of, speed_permille


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


def joined_with(left: Clip, right: Clip) -> dict[str, Any] | None:
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
    times = {"duration_ms": duration, "out_point_ms": right["out_point_ms"]}
    return {**left, **times, "effects": effects}


def _same(clip: Clip, effects: list[Effect]) -> bool:
    """Whether the clip has these effects, in whatever order."""
    return {each["type"]: each for each in clip["effects"]} == {e["type"]: e for e in effects}
