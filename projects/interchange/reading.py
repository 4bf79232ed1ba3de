"""Read a timeline of OpenTimelineIO as pieces, without our database.

Each element is read or refused (docs/interchange.md).
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
    build_reference,
)
from projects.interchange.times import time_to_ms

schema = otio.schema

DISSOLVE = schema.TransitionTypes.SMPTE_Dissolve
KINDS = {schema.TrackKind.Video: "video", schema.TrackKind.Audio: "audio"}
FILES = (type(None), schema.ExternalReference, schema.MissingReference)
OTHER_MEDIA = {
    schema.GeneratorReference: "generator",
    schema.ImageSequenceReference: "image_sequence",
}


@dataclass(frozen=True)
class Neighbors:
    """The neighbors of a child: the transitions before and after it, and the next children."""

    before: Any = None
    after: Any = None
    head: Any = None
    tail: Any = None


def read_stack(stack: otio.schema.Stack) -> Reading:
    """Return the pieces of all tracks, and the elements that are refused."""
    reading = Reading()
    _check_effects(stack, reading)
    for track in stack:
        if not isinstance(track, schema.Track) or track.kind not in KINDS:
            reading.refuse(
                "track", "Only tracks of video or sound can be imported.", name=str(track.name)
            )
            continue
        pieces = _trim_to_source_range(read_track(track, reading), stack, reading)
        if not (stack.enabled and track.enabled):
            pieces = [replace(piece, enabled=False) for piece in pieces]
        reading.tracks.append(
            ForeignTrack(KINDS[track.kind], track.name or "", pieces, get_own_value(track))
        )
    return reading


def read_track(track: otio.schema.Track, reading: Reading) -> list[Piece]:
    """Return the pieces of the track; add to ``reading`` what is refused."""
    pieces: list[Piece] = []
    _check_effects(track, reading)
    for begin, child, neighbors in _iterate_children(track):
        name = str(getattr(child, "name", ""))
        if isinstance(child, schema.Transition):
            _check_transition(child, neighbors, name, reading)
        elif isinstance(child, schema.Clip):
            speed = _check_clip(child, name, reading)
            pieces.append(_build_piece(child, begin, neighbors, speed))
        elif not isinstance(child, schema.Gap):
            code = "nested" if isinstance(child, otio.core.Composition) else "element"
            reading.refuse(code, "A track can contain only clips, gaps and transitions.", name=name)
    return _trim_to_source_range(pieces, track, reading)


def _iterate_children(track: otio.schema.Track) -> Iterator[tuple[RationalTime, Any, Neighbors]]:
    """Yield each child with the time at which it begins, and its neighbors."""
    cursor = RationalTime(0, 1)
    children = [None, None, *track, None, None]
    for index, child in enumerate(children[2:-2]):
        yield cursor, child, _find_neighbors(*children[index : index + 5])
        if isinstance(child, otio.core.Item):
            cursor += child.trimmed_range().duration


def _find_neighbors(head: Any, before: Any, child: Any, after: Any, tail: Any) -> Neighbors:
    if isinstance(child, schema.Transition):
        return Neighbors(head=before, tail=after)
    return Neighbors(
        before if isinstance(before, schema.Transition) else None,
        after if isinstance(after, schema.Transition) else None,
        head,
        tail,
    )


def _check_effects(element: Any, reading: Reading) -> None:
    """Refuse the effects of a track or stack."""
    for effect in element.effects:
        if getattr(effect, "enabled", True):
            reading.refuse("effect", "Only clips can have effects.", name=str(element.name))


def _check_transition(child: Any, neighbors: Neighbors, name: str, reading: Reading) -> None:
    in_offset, out_offset = child.in_offset, child.out_offset
    if child.transition_type != DISSOLVE:
        detail = f"A {child.transition_type} is not a cross-fade. Only cross-fades can be imported."
    elif (
        time_to_ms(in_offset + out_offset) > MAX_CROSS_FADE_MS
        or min(in_offset.value, out_offset.value) < 0
    ):
        detail = "Its duration is too long, or negative."
    elif (neighbors.head is None and in_offset.value) or (
        neighbors.tail is None and out_offset.value
    ):
        detail = "It reaches beyond the beginning or the end of its track."
    elif not (
        _reaches_offset(neighbors.head, in_offset) and _reaches_offset(neighbors.tail, out_offset)
    ):
        detail = "It is longer than one of the clips that it joins."
    elif _is_enabled(neighbors.head, neighbors.tail) != _is_enabled(neighbors.tail, neighbors.head):
        detail = "One of the clips that it joins is disabled."
    else:
        return
    reading.refuse("transition", detail, name=name)


def _reaches_offset(child: Any, offset: RationalTime) -> bool:
    if not isinstance(child, otio.core.Item):
        return offset.value == 0 and child is None
    return bool(child.trimmed_range().duration >= offset)


def _is_enabled(child: Any, neighbor: Any) -> bool:
    """Return True if a clip is enabled, or if it or its neighbor is no clip."""
    if not (isinstance(child, schema.Clip) and isinstance(neighbor, schema.Clip)):
        return True
    return bool(child.enabled)


def _check_clip(clip: otio.schema.Clip, name: str, reading: Reading) -> float:
    """Return the speed of a clip; refuse its other effects, and media that is no file."""
    reference = clip.media_reference
    if type(reference) not in FILES:
        code = OTHER_MEDIA.get(type(reference), "media")
        reading.refuse(code, "A clip must play exactly one media file.", name=name)
    speed = 1.0
    for effect in clip.effects:
        if not getattr(effect, "enabled", True):
            continue
        if not isinstance(effect, schema.TimeEffect):
            reading.refuse(
                "effect", f"The effect {effect.effect_name} is not supported.", name=name
            )
        elif speed != 1 or not _is_valid_speed(effect, clip):
            code = "freeze" if isinstance(effect, schema.FreezeFrame) else "speed"
            detail = "A clip can have one speed, from 0.1 to 10 in steps of 0.001."
            reading.refuse(code, detail, name=name)
        else:
            speed = round(effect.time_scalar, 3)
    return speed


def _is_valid_speed(effect: Any, clip: otio.schema.Clip) -> bool:
    """Return True if an EDL has this speed, within half a frame over the whole clip."""
    scalar = getattr(effect, "time_scalar", None)
    if type(effect) is not schema.LinearTimeWarp or not isinstance(scalar, int | float):
        return False
    error_frames = abs(scalar - round(scalar, 3)) * clip.trimmed_range().duration.value
    return bool(MIN_RATE <= scalar <= MAX_RATE and error_frames <= 0.5)


def _build_piece(
    clip: otio.schema.Clip, begin: RationalTime, neighbors: Neighbors, speed: float
) -> Piece:
    trimmed_range = clip.trimmed_range()
    before, after = neighbors.before, neighbors.after
    zero = RationalTime(0, trimmed_range.duration.rate)
    head = before.in_offset if before else zero
    tail = after.out_offset if after else zero
    fade_ms, end = _measure_transition(before, begin), begin + trimmed_range.duration
    start = trimmed_range.start_time - _get_media_start(clip)
    in_time = RationalTime(start.value - head.rescaled_to(start.rate).value * speed, start.rate)
    is_joined = isinstance(neighbors.head, schema.Clip)
    return Piece(
        begin_ms=time_to_ms(begin - head),
        end_ms=time_to_ms(end + tail),
        in_ms=time_to_ms(in_time),
        source=get_source(clip),
        speed=speed,
        cross_fade_ms=fade_ms if is_joined else 0,
        fade_in_ms=0 if is_joined else fade_ms,
        fade_out_ms=0
        if isinstance(neighbors.tail, schema.Clip)
        else _measure_transition(after, end),
        enabled=clip.enabled,
        frame_ms=1000 / trimmed_range.duration.rate,
        ours=_read_metadata(clip),
    )


def _measure_transition(transition: Any, cut: RationalTime) -> int:
    """Return the milliseconds between the rounded ends of the clips that a transition joins."""
    if transition is None:
        return 0
    return time_to_ms(cut + transition.out_offset) - time_to_ms(cut - transition.in_offset)


def _get_media_start(clip: otio.schema.Clip) -> RationalTime:
    """Return the timecode at which the media begins, because our times in it count from zero."""
    available = clip.media_reference.available_range if clip.media_reference else None
    return (
        available.start_time if available else RationalTime(0, clip.trimmed_range().start_time.rate)
    )


def _trim_to_source_range(
    pieces: list[Piece], element: otio.core.Item, reading: Reading
) -> list[Piece]:
    """Return the pieces, trimmed to the source range of their track or stack."""
    window: TimeRange | None = element.source_range
    if window is None:
        return pieces
    begin, end = time_to_ms(window.start_time), time_to_ms(window.end_time_exclusive())
    remaining = [piece for piece in pieces if piece.begin_ms < end and piece.end_ms > begin]
    if pieces and not remaining:
        reading.refuse("trim", "No clip plays within the source range.", name=str(element.name))
    for piece in remaining:
        fade_end_ms = piece.begin_ms + max(piece.cross_fade_ms, piece.fade_in_ms)
        ramps = ((piece.begin_ms, fade_end_ms), (piece.end_ms - piece.fade_out_ms, piece.end_ms))
        if any(first < edge < last for first, last in ramps for edge in (begin, end)):
            reading.refuse("trim", "The source range ends within a fade.", name=str(element.name))
    return [_trim_piece(piece, begin, end) for piece in remaining]


def _trim_piece(piece: Piece, begin: int, end: int) -> Piece:
    """Return the part of the piece within a range, at its time since ``begin``."""
    late_ms = max(begin - piece.begin_ms, 0)
    early_ms = max(piece.end_ms - end, 0)
    return replace(
        piece,
        begin_ms=piece.begin_ms + late_ms - begin,
        end_ms=piece.end_ms - early_ms - begin,
        in_ms=piece.in_ms + round(late_ms * piece.speed),
        cross_fade_ms=0 if late_ms else piece.cross_fade_ms,
        fade_in_ms=0 if late_ms else piece.fade_in_ms,
        fade_out_ms=0 if early_ms else piece.fade_out_ms,
    )


def get_source(clip: otio.schema.Clip) -> MediaReference:
    """Return the file that a clip plays, with its id and names as far as the timeline has them."""
    reference = clip.media_reference
    metadata = {} if reference is None else _read_metadata(reference)
    url = getattr(reference, "target_url", None) or ""
    name = getattr(reference, "name", "")
    return build_reference(url, name, clip.name, media_id=metadata.get("media_file_id"))


def _read_metadata(element: Any) -> dict[str, Any]:
    """Return our metadata of an element, or nothing if another program has replaced it."""
    metadata = get_own_value(element)
    return metadata if isinstance(metadata, dict) else {}


def get_own_value(element: Any) -> Any:
    """Return the value under our key in the metadata of an element, whoever wrote it."""
    return _convert_to_plain(element.metadata.get(OURS, {}))


def _convert_to_plain(value: Any) -> Any:
    """Convert metadata to plain dicts and lists."""
    if hasattr(value, "items"):
        return {str(key): _convert_to_plain(member) for key, member in value.items()}
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    return [_convert_to_plain(member) for member in value]
