"""Convert the tracks of a foreign timeline to tracks of an EDL.

A track that we have written, and that is unchanged, comes back to the millisecond and with its
deleted clips. Any other track is built from the frames in the file, with the ids and effects in its
metadata.
"""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from opentimelineio.schema import ExternalReference
from pydantic import ValidationError

from projects.documents import MAX_TRACK_NAME_LENGTH
from projects.interchange.building import build_track
from projects.interchange.matching import Matched
from projects.interchange.reading import read_track
from projects.interchange.terms import OURS, ForeignTrack, Piece, Reading
from projects.interchange.times import exact_rate, frame_of, start_frame
from projects.timeline.content import PERMILLE, TRACK, Clip, EffectRecord, Track, on_timeline
from projects.timeline.fields import TrackType

FADES = ("cross_fade", "fade_in", "fade_out")


@dataclass
class Ids:
    """The ids in use; an id that another program has copied is replaced by a new one."""

    used: set[str] = field(default_factory=set)

    def take(self, candidate: Any) -> str:
        """Return the candidate if it is an unused id, or else a new id; either is then in use."""
        id_ = str(candidate) if isinstance(candidate, str) else ""
        if not id_ or id_ in self.used:
            id_ = str(uuid.uuid4())
        self.used.add(id_)
        return id_


def convert_track(track: ForeignTrack, matched: Matched, *, rate: float, ids: Ids) -> Track:
    """Return the track in the form in which an EDL has it."""
    ours = track.ours
    unchanged = (
        _find_unchanged_track(ours, track.pieces, matched, rate) if isinstance(ours, dict) else None
    )
    if unchanged is not None and ids.used.isdisjoint(_list_ids(unchanged)):
        ids.used |= _list_ids(unchanged)
        return unchanged
    track_id = ids.take(ours.get("id") if isinstance(ours, dict) else None)
    clips = [_convert_piece(piece, matched, track_id=track_id, ids=ids) for piece in track.pieces]
    name = track.name.strip()[:MAX_TRACK_NAME_LENGTH] or "Track"
    kind = cast(TrackType, track.type)
    return {"id": track_id, "type": kind, "name": name, "clips": clips}


def _list_ids(track: Track) -> set[str]:
    return {track["id"], *(clip["id"] for clip in track["clips"])}


def _find_unchanged_track(
    ours: Mapping[str, Any], pieces: list[Piece], matched: Matched, rate: float
) -> Track | None:
    """Return the track as we wrote it, or None if the file plays anything else by now."""
    try:
        track = TRACK.validate_python(dict(ours))
    except ValidationError:
        return None
    durations = {key: row.duration_ms for key, row in matched.rows.items()}
    written = read_track(build_track(track, rate, _build_reference, durations), Reading())
    if list(map(_build_comparison_key, written)) != list(map(_build_comparison_key, pieces)):
        return None
    if any(matched.ids[piece.source] != piece.source.media_id for piece in pieces):
        return None
    kept_clips = [
        clip
        for clip in track["clips"]
        if not clip["deleted"] or clip["media_file_id"] in matched.durations
    ]
    return {**track, "clips": kept_clips}


def _build_comparison_key(piece: Piece) -> tuple[Any, ...]:
    plays = (piece.begin_ms, piece.end_ms, piece.in_ms, piece.speed, piece.cross_fade_ms)
    return (*plays, piece.enabled, piece.source.media_id, piece.ours)


def _build_reference(clip: Clip) -> ExternalReference:
    return ExternalReference(
        target_url="", metadata={OURS: {"media_file_id": clip["media_file_id"]}}
    )


def _convert_piece(piece: Piece, matched: Matched, *, track_id: str, ids: Ids) -> Clip:
    media_id = matched.ids[piece.source]
    piece = _trim_to_media(piece, matched.durations.get(media_id))
    length = _source_length(piece)
    return {
        "id": ids.take(piece.ours.get("id")),
        "media_file_id": media_id,
        "track_id": track_id,
        "start_ms": piece.begin_ms,
        "duration_ms": max(on_timeline(length, _round_speed_permille(piece)), 1),
        "in_point_ms": piece.in_ms,
        "out_point_ms": piece.in_ms + length,
        "effects": _build_effects(piece),
        "deleted": not piece.enabled,
    }


def _round_speed_permille(piece: Piece) -> int:
    return round(piece.speed * PERMILLE)


def _source_length(piece: Piece) -> int:
    return max((piece.end_ms - piece.begin_ms) * _round_speed_permille(piece) // PERMILLE, 1)


def _tolerance(piece: Piece) -> float:
    """Return how many milliseconds beyond its media rounding to frames may have moved a piece."""
    return 2 * piece.frame_ms * max(piece.speed, 1)


def _trim_to_media(piece: Piece, duration_ms: int | None) -> Piece:
    """Return the piece without the excess that rounding to frames has added beyond its media.

    The piece begins earlier in its media. Where it plays all of its media, its edges move, first
    each within its own frame.
    """
    excess_ms = piece.in_ms + _source_length(piece) - duration_ms if duration_ms else 0
    if not 0 < excess_ms <= _tolerance(piece):
        return piece
    shift_ms = min(excess_ms, piece.in_ms)
    piece = replace(piece, in_ms=piece.in_ms - shift_ms)
    end_excess_ms = min(
        math.ceil((excess_ms - shift_ms) / piece.speed), piece.end_ms - piece.begin_ms - 1
    )
    if end_excess_ms <= 0:
        return piece
    rate, frame_ms = 1000 / piece.frame_ms, piece.frame_ms
    first_end = math.ceil((frame_of(piece.end_ms, rate) - 0.5) * frame_ms)
    last_begin = math.ceil((frame_of(piece.begin_ms, rate) + 0.5) * frame_ms) - 1
    end_shift_ms = min(end_excess_ms, max(piece.end_ms - first_end, 0))
    begin_shift_ms = min(end_excess_ms - end_shift_ms, max(last_begin - piece.begin_ms, 0))
    end_ms = piece.end_ms - (end_excess_ms - begin_shift_ms)
    return replace(piece, begin_ms=piece.begin_ms + begin_shift_ms, end_ms=end_ms)


def count_from_file_start(
    tracks: list[ForeignTrack], matched: Matched, *, is_edit_list: bool
) -> list[ForeignTrack]:
    """Return the tracks with media times that count from the beginning of the file.

    Other programs may count from the file's timecode. All times of one file count alike: from the
    timecode if they fit it, and if they either lie beyond the file otherwise or come from an edit
    list, whose times are those of the camera or tape. Our own edit lists, which name files by their
    ids, state where a file starts; older ones do not and count from zero.
    """
    by_media: dict[str, list[Piece]] = {}
    for piece in (piece for track in tracks for piece in track.pieces):
        if not piece.counts_from_file_start:
            by_media.setdefault(matched.ids[piece.source], []).append(piece)
    timecoded_ids = {
        key
        for key, pieces in by_media.items()
        if all(_fits_media(_subtract_start_timecode(piece, matched), matched) for piece in pieces)
        and (
            (is_edit_list and not any(piece.source.media_id for piece in pieces))
            or not all(_fits_media(piece, matched) for piece in pieces)
        )
    }
    return [
        replace(
            track,
            pieces=[
                _subtract_start_timecode(piece, matched)
                if matched.ids[piece.source] in timecoded_ids and not piece.counts_from_file_start
                else piece
                for piece in track.pieces
            ],
        )
        for track in tracks
    ]


def _fits_media(piece: Piece, matched: Matched) -> bool:
    duration_ms = matched.durations.get(matched.ids[piece.source])
    end_ms = piece.in_ms + _source_length(piece)
    return piece.in_ms >= 0 and (not duration_ms or end_ms <= duration_ms + _tolerance(piece))


def _subtract_start_timecode(piece: Piece, matched: Matched) -> Piece:
    """Return the piece with the start timecode of its file subtracted from its media time."""
    row = matched.rows.get(matched.ids[piece.source])
    text = row.metadata.get("start_timecode") if row else None
    if row is None or not text:
        return piece
    # Rounding undoes the error of the double reciprocal.
    rate = exact_rate(round(1000 / piece.frame_ms, 2))
    start = start_frame(text, row.metadata.get("frame_rate"), rate)
    frame = frame_of(piece.in_ms, rate)
    # Subtract frames: the difference of their rounded times would be a millisecond off.
    remainder_ms = piece.in_ms - round(frame * piece.frame_ms)
    return replace(piece, in_ms=round((frame - start) * piece.frame_ms) + remainder_ms)


def _build_effects(piece: Piece) -> list[EffectRecord]:
    """Return the effects in the file's metadata, with the fades and speed of its timeline."""
    stored = piece.ours.get("effects")
    stored = stored if isinstance(stored, list) else []
    effects: dict[str, EffectRecord] = {
        str(effect.get("type")): cast(EffectRecord, effect)
        for effect in stored
        if isinstance(effect, dict)
    }
    if not piece.cross_fade_ms:
        effects.pop("cross_fade", None)
    lengths = (piece.cross_fade_ms, piece.fade_in_ms, piece.fade_out_ms)
    for kind, length in zip(FADES, lengths, strict=True):
        if length:
            effects[kind] = {"type": kind, "duration_ms": length}
    effects.pop("speed", None)
    if piece.speed != 1:
        effects["speed"] = {"type": "speed", "rate": piece.speed}
    return list(effects.values())
