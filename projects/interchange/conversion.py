"""Tracks of ours made of what a foreign timeline plays.

A track that we have written and nobody has changed comes back as it was, to the millisecond and
with its deleted clips. Any other is made of the frames in the file, with the ids and effects that
stand there.
"""

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
    """The track as it was written, if what it plays is still what the file plays."""
    try:
        track = TrackShape.model_validate(dict(ours)).stored()
    except ValidationError:
        return None
    written = read_track(build_track(track, rate, _reference), Reading())
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
    return (*plays, piece.enabled, piece.source.media_id)


def _reference(clip: Clip) -> ExternalReference:
    return ExternalReference(
        target_url="", metadata={OURS: {"media_file_id": clip["media_file_id"]}}
    )


def _convert_piece(piece: Piece, matched: Matched, *, track_id: str, ids: Ids) -> Clip:
    media_id = matched.ids[piece.source]
    piece = _within(piece, matched.durations.get(media_id))
    permille = round(piece.speed * PERMILLE)
    length = max((piece.end_ms - piece.begin_ms) * permille // PERMILLE, 1)
    return {
        "id": ids.take(piece.ours.get("id")),
        "media_file_id": media_id,
        "track_id": track_id,
        "start_ms": piece.begin_ms,
        "duration_ms": max(on_timeline(length, permille), 1),
        "in_point_ms": piece.in_ms,
        "out_point_ms": piece.in_ms + length,
        "effects": _effects(piece),
        "deleted": not piece.enabled,
    }


def _within(piece: Piece, duration_ms: int | None) -> Piece:
    """Not beyond the media by what rounding to frames may have added."""
    if not duration_ms or piece.speed != 1:
        return piece
    beyond = piece.in_ms + piece.end_ms - piece.begin_ms - duration_ms
    if not 0 < beyond <= min(2 * piece.frame_ms, piece.end_ms - piece.begin_ms - 1):
        return piece
    return replace(piece, end_ms=piece.end_ms - beyond)


def _effects(piece: Piece) -> list[Effect]:
    """Those that stand in the file, with fades and speed as its timeline has them."""
    stored = piece.ours.get("effects")
    stored = stored if isinstance(stored, list) else []
    effects: dict[str, Effect] = {
        str(effect.get("type")): cast(Effect, effect)
        for effect in stored
        if isinstance(effect, dict)
    }
    lengths = (piece.cross_fade_ms, piece.fade_in_ms, piece.fade_out_ms)
    for kind, length in zip(FADES, lengths, strict=True):
        if length:
            effects[kind] = {"type": kind, "duration_ms": length}
    effects.pop("speed", None)
    if piece.speed != 1:
        effects["speed"] = {"type": "speed", "rate": piece.speed}
    return list(effects.values())
