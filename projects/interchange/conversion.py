"""Tracks of ours made of what a foreign timeline plays.

A track that we have written and nobody has changed comes back as it was, to the millisecond and
with its deleted clips. Any other is made of the frames in the file, with the ids and effects that
stand there.
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
from projects.timeline.content import PERMILLE, Clip, Effect, Track, on_timeline
from projects.timeline.shape import TrackShape

FADES = ("cross_fade", "fade_in", "fade_out")


@dataclass
class Ids:
    """Ids that are in use; what another program has copied gets a new one."""

    used: set[str] = field(default_factory=set)

    def take(self, wanted: Any) -> str:
        """The wanted id if it is one and free, else a new one."""
        found = str(wanted) if isinstance(wanted, str) else ""
        if not found or found in self.used:
            found = str(uuid.uuid4())
        self.used.add(found)
        return found


def convert_track(track: ForeignTrack, matched: Matched, *, rate: float, ids: Ids) -> Track:
    """The track as ``PUT`` takes it."""
    ours = track.ours
    before = _unchanged(ours, track.pieces, matched, rate) if isinstance(ours, dict) else None
    if before is not None and ids.used.isdisjoint(_ids_of(before)):
        ids.used |= _ids_of(before)
        return before
    track_id = ids.take(ours.get("id") if isinstance(ours, dict) else None)
    clips = [_convert_piece(piece, matched, track_id=track_id, ids=ids) for piece in track.pieces]
    name = track.name.strip()[:MAX_TRACK_NAME_LENGTH] or "Track"
    return {"id": track_id, "type": track.type, "name": name, "clips": clips}


def _ids_of(track: Track) -> set[str]:
    return {track["id"], *(clip["id"] for clip in track["clips"])}


def _unchanged(
    ours: Mapping[str, Any], pieces: list[Piece], matched: Matched, rate: float
) -> Track | None:
    """Return the track as it was written, if the file still plays it, with the same effects."""
    try:
        track = TrackShape.model_validate(dict(ours)).stored()
    except ValidationError:
        return None
    durations = {key: row.duration_ms for key, row in matched.rows.items()}
    written = read_track(build_track(track, rate, _reference, durations), Reading())
    if list(map(_comparable, written)) != list(map(_comparable, pieces)):
        return None
    if any(matched.ids[piece.source] != piece.source.media_id for piece in pieces):
        return None
    live = [
        c for c in track["clips"] if not c["deleted"] or c["media_file_id"] in matched.durations
    ]
    return {**track, "clips": live}


def _comparable(piece: Piece) -> tuple[Any, ...]:
    plays = (piece.begin_ms, piece.end_ms, piece.in_ms, piece.speed, piece.cross_fade_ms)
    return (*plays, piece.enabled, piece.source.media_id, piece.ours)


def _reference(clip: Clip) -> ExternalReference:
    return ExternalReference(
        target_url="", metadata={OURS: {"media_file_id": clip["media_file_id"]}}
    )


def _convert_piece(piece: Piece, matched: Matched, *, track_id: str, ids: Ids) -> Clip:
    media_id = matched.ids[piece.source]
    piece = _within(piece, matched.durations.get(media_id))
    length = _source_length(piece)
    return {
        "id": ids.take(piece.ours.get("id")),
        "media_file_id": media_id,
        "track_id": track_id,
        "start_ms": piece.begin_ms,
        "duration_ms": max(on_timeline(length, _permille(piece)), 1),
        "in_point_ms": piece.in_ms,
        "out_point_ms": piece.in_ms + length,
        "effects": _effects(piece),
        "deleted": not piece.enabled,
    }


def _permille(piece: Piece) -> int:
    return round(piece.speed * PERMILLE)


def _source_length(piece: Piece) -> int:
    return max((piece.end_ms - piece.begin_ms) * _permille(piece) // PERMILLE, 1)


def _tolerance(piece: Piece) -> float:
    """Return how far beyond its media rounding to frames may have moved a piece, in ms."""
    return 2 * piece.frame_ms * max(piece.speed, 1)


def _within(piece: Piece, duration_ms: int | None) -> Piece:
    """Return the piece without what rounding to frames has added beyond its media.

    It begins earlier in its media. Where it plays all of it, its edges move, at first each within
    its own frame.
    """
    beyond = piece.in_ms + _source_length(piece) - duration_ms if duration_ms else 0
    if not 0 < beyond <= _tolerance(piece):
        return piece
    earlier = min(beyond, piece.in_ms)
    piece = replace(piece, in_ms=piece.in_ms - earlier)
    excess = min(math.ceil((beyond - earlier) / piece.speed), piece.end_ms - piece.begin_ms - 1)
    if excess <= 0:
        return piece
    rate, frame_ms = 1000 / piece.frame_ms, piece.frame_ms
    first_end = math.ceil((frame_of(piece.end_ms, rate) - 0.5) * frame_ms)
    last_begin = math.ceil((frame_of(piece.begin_ms, rate) + 0.5) * frame_ms) - 1
    sooner = min(excess, max(piece.end_ms - first_end, 0))
    later = min(excess - sooner, max(last_begin - piece.begin_ms, 0))
    end_ms = piece.end_ms - (excess - later)
    return replace(piece, begin_ms=piece.begin_ms + later, end_ms=end_ms)


def count_from_file_start(
    tracks: list[ForeignTrack], matched: Matched, *, is_edit_list: bool
) -> list[ForeignTrack]:
    """Return the tracks with times in the media that count from where its file begins.

    Other programs may count from the file's timecode. All times of one file count alike: from the
    timecode if they fit that, and either lie beyond the file otherwise or stand in an edit list,
    whose times are those of the camera or tape. Edit lists of ours, which name files by their ids,
    state where a file starts; those from before they did so count from zero.
    """
    by_media: dict[str, list[Piece]] = {}
    for piece in (piece for track in tracks for piece in track.pieces):
        if not piece.counts_from_file_start:
            by_media.setdefault(matched.ids[piece.source], []).append(piece)
    timed = {
        key
        for key, pieces in by_media.items()
        if all(_fits(_from_timecode(piece, matched), matched) for piece in pieces)
        and (
            (is_edit_list and not any(piece.source.media_id for piece in pieces))
            or not all(_fits(piece, matched) for piece in pieces)
        )
    }
    return [
        replace(
            track,
            pieces=[
                _from_timecode(piece, matched)
                if matched.ids[piece.source] in timed and not piece.counts_from_file_start
                else piece
                for piece in track.pieces
            ],
        )
        for track in tracks
    ]


def _fits(piece: Piece, matched: Matched) -> bool:
    duration_ms = matched.durations.get(matched.ids[piece.source])
    end_ms = piece.in_ms + _source_length(piece)
    return piece.in_ms >= 0 and (not duration_ms or end_ms <= duration_ms + _tolerance(piece))


def _from_timecode(piece: Piece, matched: Matched) -> Piece:
    """Return the piece with its time in the media counted from its file's timecode."""
    row = matched.rows.get(matched.ids[piece.source])
    text = row.metadata.get("start_timecode") if row else None
    if row is None or not text:
        return piece
    rate = exact_rate(round(1000 / piece.frame_ms, 2))  # no reciprocal of a reciprocal
    start = start_frame(text, row.metadata.get("frame_rate"), rate)
    frame = frame_of(piece.in_ms, rate)
    # The difference of two frames: those of their rounded times would be a millisecond off.
    rest_ms = piece.in_ms - round(frame * piece.frame_ms)
    return replace(piece, in_ms=round((frame - start) * piece.frame_ms) + rest_ms)


def _effects(piece: Piece) -> list[Effect]:
    """Return those that stand in the file, with fades and speed as its timeline has them."""
    stored = piece.ours.get("effects")
    stored = stored if isinstance(stored, list) else []
    effects: dict[str, Effect] = {
        str(effect.get("type")): cast(Effect, effect)
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
