"""What a timeline of OpenTimelineIO plays, as pieces that know nothing of our database yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import opentimelineio as otio
from opentimelineio.opentime import RationalTime

from projects.bounds import MAX_CROSS_FADE_MS, MAX_RATE, MIN_RATE
from projects.interchange.terms import OURS, URL_ROOT, Item, Piece, Source, item
from projects.interchange.times import ms_of

schema = otio.schema

DISSOLVE = schema.TransitionTypes.SMPTE_Dissolve
MAX_NAME_LENGTH = 255


@dataclass(frozen=True)
class Reading:
    """A track in pieces; ``foreign`` is what a track of ours has no place for."""

    pieces: list[Piece]
    foreign: list[Item]


@dataclass(frozen=True)
class Around:
    """The transitions before and after a child, and whether a clip is beyond them."""

    before: Any = None
    after: Any = None
    from_clip: bool = False
    to_clip: bool = False


def read_track(track: otio.schema.Track, *, from_comments: bool = False) -> Reading:
    """All that the track plays. ``from_comments``: CMX 3600 tells a faded clip's file there."""
    foreign: list[Item] = []
    pieces: list[Piece] = []
    for begin, child, around in _placed(track):
        told = list(_foreign(child))
        foreign += told
        if isinstance(child, schema.Clip) and not told:
            source = source_of(child, in_comments=from_comments and around.before is not None)
            pieces.append(_piece(child, begin, around, source))
    return Reading(pieces, foreign)


def _placed(track: otio.schema.Track) -> Iterator[tuple[RationalTime, Any, Around]]:
    """Where each child begins, and what is around it."""
    cursor = lead_of(track)
    padded = [None, None, *track, None, None]
    for index, child in enumerate(padded[2:-2]):
        yield cursor, child, _around(*padded[index : index + 5])
        if isinstance(child, otio.core.Item):
            cursor += child.trimmed_range().duration


def _around(head: Any, before: Any, _: Any, after: Any, tail: Any) -> Around:
    return Around(
        before if isinstance(before, schema.Transition) else None,
        after if isinstance(after, schema.Transition) else None,
        isinstance(head, schema.Clip),
        isinstance(tail, schema.Clip),
    )


def lead_of(track: otio.schema.Track) -> RationalTime:
    """What is empty before the first child: CMX 3600's reader begins the track before zero.

    Whole hours tell the start of a tape, not of the film.
    """
    trimmed = track.source_range
    if trimmed is None or trimmed.start_time.value >= 0:
        return RationalTime(0, 1)
    lead = -trimmed.start_time
    hours = int(lead.to_seconds() + 1e-6) // 3600
    hour = RationalTime(round(lead.rate) * 3600, lead.rate)
    return RationalTime(lead.value - hours * hour.value, lead.rate)


def _foreign(child: Any) -> Iterator[Item]:
    name = str(getattr(child, "name", ""))[:MAX_NAME_LENGTH]
    if isinstance(child, schema.Transition):
        if child.transition_type != DISSOLVE:
            yield item("transition", f"A {child.transition_type} is no cross-fade.", name=name)
    elif isinstance(child, schema.Clip):
        yield from _foreign_clip(child, name)
    elif not isinstance(child, schema.Gap):
        yield item("nested", "A track holds clips, not timelines within it.", name=name)


def _foreign_clip(clip: otio.schema.Clip, name: str) -> Iterator[Item]:
    if isinstance(clip.media_reference, schema.GeneratorReference):
        yield item("generator", "A clip plays a media file.", name=name)
    elif isinstance(clip.media_reference, schema.ImageSequenceReference):
        yield item("image_sequence", "A clip plays one media file.", name=name)
    for effect in clip.effects:
        scalar = getattr(effect, "time_scalar", None)
        if isinstance(effect, schema.TimeEffect) and not _is_speed(effect, scalar):
            yield item("effect", "A speed is constant, from 0.1 to 10.", name=name)


def _is_speed(effect: Any, scalar: Any) -> bool:
    if type(effect) is not schema.LinearTimeWarp or not isinstance(scalar, int | float):
        return False
    return bool(MIN_RATE <= scalar <= MAX_RATE)


def _piece(clip: otio.schema.Clip, begin: RationalTime, around: Around, source: Source) -> Piece:
    trimmed = clip.trimmed_range()
    speed = next((e.time_scalar for e in clip.effects if type(e) is schema.LinearTimeWarp), 1)
    before, after = around.before, around.after
    none = RationalTime(0, trimmed.duration.rate)
    head = before.in_offset if before else none
    tail = after.out_offset if after else none
    faded, end = _length(before, begin), begin + trimmed.duration
    start = trimmed.start_time - _media_start(clip)
    inside = RationalTime(start.value - head.rescaled_to(start.rate).value * speed, start.rate)
    return Piece(
        begin_ms=ms_of(begin - head),
        end_ms=ms_of(end + tail),
        in_ms=ms_of(inside),
        source=source,
        speed=round(speed, 3),
        cross_fade_ms=faded if around.from_clip else 0,
        fade_in_ms=0 if around.from_clip else faded,
        fade_out_ms=0 if around.to_clip else _length(after, end),
        enabled=clip.enabled,
        frame_ms=1000 / trimmed.duration.rate,
        ours=_metadata(clip),
    )


def _length(transition: Any, cut: RationalTime) -> int:
    """Between the milliseconds of its two ends, which are those of the clips that it joins."""
    if transition is None:
        return 0
    length = ms_of(cut + transition.out_offset) - ms_of(cut - transition.in_offset)
    return min(length, MAX_CROSS_FADE_MS)


def _media_start(clip: otio.schema.Clip) -> RationalTime:
    """A media's own timecode: our times in it count from zero."""
    available = clip.media_reference.available_range if clip.media_reference else None
    return (
        available.start_time if available else RationalTime(0, clip.trimmed_range().start_time.rate)
    )


def source_of(clip: otio.schema.Clip, *, in_comments: bool) -> Source:
    """Which file a clip plays, by all that the timeline tells of it."""
    reference = clip.media_reference
    urls = [_comment_url(clip)] if in_comments else [getattr(reference, "target_url", None)]
    url = unquote(urls[0] or "")
    told = [PurePosixPath(url).name, getattr(reference, "name", ""), clip.name]
    names = tuple(dict.fromkeys(str(name)[:MAX_NAME_LENGTH] for name in told if name))
    return Source(_id_of(reference, url, in_comments=in_comments), names)


def _comment_url(clip: otio.schema.Clip) -> str | None:
    """The file that is faded to; the adapter gives such a clip the reference of the one before."""
    comments = clip.metadata.get("cmx_3600", {}).get("comments", [])
    found = [each.partition(":")[2].strip() for each in map(str, comments) if _names_target(each)]
    return found[0] if found else None


def _names_target(comment: str) -> bool:
    return comment.startswith(("TO CLIP:", "TO FILE:"))


def _id_of(reference: Any, url: str, *, in_comments: bool) -> str | None:
    ours = {} if in_comments or reference is None else _metadata(reference)
    parts = url.split("/")
    by_url = [after for root, after in pairwise(parts) if root == URL_ROOT]
    for value in (ours.get("media_file_id"), *by_url):
        try:
            return str(UUID(str(value)))
        except ValueError:
            continue
    return None


def _metadata(of: Any) -> dict[str, Any]:
    """What we have written to it; anything may stand there by now."""
    found = written_to(of)
    return found if isinstance(found, dict) else {}


def written_to(of: Any) -> Any:
    """What stands in the place of what we write."""
    return _plain(of.metadata.get(OURS, {}))


def _plain(value: Any) -> Any:
    """Metadata as dicts and lists of Python's own."""
    if hasattr(value, "items"):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    return [_plain(inner) for inner in value]
