"""What a timeline of OpenTimelineIO plays, as pieces that know nothing of our database yet.

Each element is held or refused (docs/interchange.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from projects.bounds import MAX_CROSS_FADE_MS, MAX_RATE, MIN_RATE
from projects.interchange.terms import (
    OURS,
    ForeignTrack,
    MediaReference,
    Piece,
    Reading,
    reference_at,
)
from projects.interchange.times import ms_of

schema = otio.schema

DISSOLVE = schema.TransitionTypes.SMPTE_Dissolve
KINDS = {schema.TrackKind.Video: "video", schema.TrackKind.Audio: "audio"}
FILES = (type(None), schema.ExternalReference, schema.MissingReference)
OTHER_MEDIA = {
    schema.GeneratorReference: "generator",
    schema.ImageSequenceReference: "image_sequence",
}


@dataclass(frozen=True)
class Around:
    """The transitions before and after a child, and what is beyond them."""

    before: Any = None
    after: Any = None
    head: Any = None
    tail: Any = None


def read_stack(stack: otio.schema.Stack) -> Reading:
    """All that the tracks play."""
    reading = Reading()
    _check_effects(stack, reading)
    for track in stack:
        if not isinstance(track, schema.Track) or track.kind not in KINDS:
            reading.refuse("track", "A track is of video or of sound.", name=str(track.name))
            continue
        pieces = _trimmed(read_track(track, reading), stack, reading)
        if not (stack.enabled and track.enabled):
            pieces = [replace(piece, enabled=False) for piece in pieces]
        reading.tracks.append(
            ForeignTrack(KINDS[track.kind], track.name or "", pieces, written_to(track))
        )
    return reading


def read_track(track: otio.schema.Track, reading: Reading) -> list[Piece]:
    """All that the track plays."""
    pieces: list[Piece] = []
    _check_effects(track, reading)
    for begin, child, around in _placed(track):
        name = str(getattr(child, "name", ""))
        if isinstance(child, schema.Transition):
            _check_transition(child, around, name, reading)
        elif isinstance(child, schema.Clip):
            speed = _check_clip(child, name, reading)
            pieces.append(_piece(child, begin, around, speed))
        elif not isinstance(child, schema.Gap):
            what = "nested" if isinstance(child, otio.core.Composition) else "element"
            reading.refuse(what, "A track holds clips, gaps and transitions.", name=name)
    return _trimmed(pieces, track, reading)


def _placed(track: otio.schema.Track) -> Iterator[tuple[RationalTime, Any, Around]]:
    """Where each child begins, and what is around it."""
    cursor = RationalTime(0, 1)
    padded = [None, None, *track, None, None]
    for index, child in enumerate(padded[2:-2]):
        yield cursor, child, _around(*padded[index : index + 5])
        if isinstance(child, otio.core.Item):
            cursor += child.trimmed_range().duration


def _around(head: Any, before: Any, child: Any, after: Any, tail: Any) -> Around:
    if isinstance(child, schema.Transition):
        return Around(head=before, tail=after)
    return Around(
        before if isinstance(before, schema.Transition) else None,
        after if isinstance(after, schema.Transition) else None,
        head,
        tail,
    )


def _check_effects(of: Any, reading: Reading) -> None:
    """Effects of tracks and stacks are not held."""
    for effect in of.effects:
        if getattr(effect, "enabled", True):
            reading.refuse("effect", "Effects are on clips.", name=str(of.name))


def _check_transition(child: Any, around: Around, name: str, reading: Reading) -> None:
    into, out = child.in_offset, child.out_offset
    if child.transition_type != DISSOLVE:
        detail = f"A {child.transition_type} is no cross-fade."
    elif ms_of(into + out) > MAX_CROSS_FADE_MS or min(into.value, out.value) < 0:
        detail = "It is too long, or less than nothing."
    elif (around.head is None and into.value) or (around.tail is None and out.value):
        detail = "It reaches beyond the beginning or the end of its track, where nothing plays."
    elif not (_has_room(around.head, into) and _has_room(around.tail, out)):
        detail = "What it joins is shorter than it."
    elif _is_seen(around.head, around.tail) != _is_seen(around.tail, around.head):
        detail = "One of the clips that it joins is not seen."
    else:
        return
    reading.refuse("transition", detail, name=name)


def _has_room(child: Any, offset: RationalTime) -> bool:
    if not isinstance(child, otio.core.Item):
        return offset.value == 0 and child is None
    return bool(child.trimmed_range().duration >= offset)


def _is_seen(child: Any, other: Any) -> bool:
    """Whether a clip is enabled; beside anything else this is no question."""
    if not (isinstance(child, schema.Clip) and isinstance(other, schema.Clip)):
        return True
    return bool(child.enabled)


def _check_clip(clip: otio.schema.Clip, name: str, reading: Reading) -> float:
    """Name what is not held; its speed."""
    reference = clip.media_reference
    if type(reference) not in FILES:
        what = OTHER_MEDIA.get(type(reference), "media")
        reading.refuse(what, "A clip plays one media file.", name=name)
    speed = 1.0
    for effect in clip.effects:
        if not getattr(effect, "enabled", True):
            continue
        if not isinstance(effect, schema.TimeEffect):
            reading.refuse("effect", f"The effect {effect.effect_name} is not held.", name=name)
        elif speed != 1 or not _is_speed(effect, clip):
            what = "freeze" if isinstance(effect, schema.FreezeFrame) else "speed"
            detail = "A clip has one speed, from 0.1 to 10, in steps of 0.001."
            reading.refuse(what, detail, name=name)
        else:
            speed = round(effect.time_scalar, 3)
    return speed


def _is_speed(effect: Any, clip: otio.schema.Clip) -> bool:
    """Whether it is one of ours, as near as half a frame over the whole clip."""
    scalar = getattr(effect, "time_scalar", None)
    if type(effect) is not schema.LinearTimeWarp or not isinstance(scalar, int | float):
        return False
    wrong = abs(scalar - round(scalar, 3)) * clip.trimmed_range().duration.value
    return bool(MIN_RATE <= scalar <= MAX_RATE and wrong <= 0.5)


def _piece(clip: otio.schema.Clip, begin: RationalTime, around: Around, speed: float) -> Piece:
    trimmed = clip.trimmed_range()
    before, after = around.before, around.after
    none = RationalTime(0, trimmed.duration.rate)
    head = before.in_offset if before else none
    tail = after.out_offset if after else none
    faded, end = _length(before, begin), begin + trimmed.duration
    start = trimmed.start_time - _media_start(clip)
    inside = RationalTime(start.value - head.rescaled_to(start.rate).value * speed, start.rate)
    joined = isinstance(around.head, schema.Clip)
    return Piece(
        begin_ms=ms_of(begin - head),
        end_ms=ms_of(end + tail),
        in_ms=ms_of(inside),
        source=source_of(clip),
        speed=speed,
        cross_fade_ms=faded if joined else 0,
        fade_in_ms=0 if joined else faded,
        fade_out_ms=0 if isinstance(around.tail, schema.Clip) else _length(after, end),
        enabled=clip.enabled,
        frame_ms=1000 / trimmed.duration.rate,
        ours=_metadata(clip),
    )


def _length(transition: Any, cut: RationalTime) -> int:
    """Between the milliseconds of its two ends, which are those of the clips that it joins."""
    if transition is None:
        return 0
    return ms_of(cut + transition.out_offset) - ms_of(cut - transition.in_offset)


def _media_start(clip: otio.schema.Clip) -> RationalTime:
    """A media's own timecode: our times in it count from zero."""
    available = clip.media_reference.available_range if clip.media_reference else None
    return (
        available.start_time if available else RationalTime(0, clip.trimmed_range().start_time.rate)
    )


def _trimmed(pieces: list[Piece], of: otio.core.Item, reading: Reading) -> list[Piece]:
    """Return what of the pieces is within the source range of their track or stack."""
    window: TimeRange | None = of.source_range
    if window is None:
        return pieces
    begin, end = ms_of(window.start_time), ms_of(window.end_time_exclusive())
    kept = [piece for piece in pieces if piece.begin_ms < end and piece.end_ms > begin]
    if pieces and not kept:
        reading.refuse("trim", "Nothing plays within the source range.", name=str(of.name))
    for piece in kept:
        faded = piece.begin_ms + max(piece.cross_fade_ms, piece.fade_in_ms)
        ramps = ((piece.begin_ms, faded), (piece.end_ms - piece.fade_out_ms, piece.end_ms))
        if any(first < edge < last for first, last in ramps for edge in (begin, end)):
            reading.refuse("trim", "A source range ends within a fade.", name=str(of.name))
    return [_within(piece, begin, end) for piece in kept]


def _within(piece: Piece, begin: int, end: int) -> Piece:
    """The piece without what is outside, at its time from ``begin`` on."""
    late = max(begin - piece.begin_ms, 0)
    early = max(piece.end_ms - end, 0)
    return replace(
        piece,
        begin_ms=piece.begin_ms + late - begin,
        end_ms=piece.end_ms - early - begin,
        in_ms=piece.in_ms + round(late * piece.speed),
        cross_fade_ms=0 if late else piece.cross_fade_ms,
        fade_in_ms=0 if late else piece.fade_in_ms,
        fade_out_ms=0 if early else piece.fade_out_ms,
    )


def source_of(clip: otio.schema.Clip) -> MediaReference:
    """Which file a clip plays, by all that the timeline tells of it."""
    reference = clip.media_reference
    metadata = {} if reference is None else _metadata(reference)
    url = getattr(reference, "target_url", None) or ""
    name = getattr(reference, "name", "")
    return reference_at(url, name, clip.name, media_id=metadata.get("media_file_id"))


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
