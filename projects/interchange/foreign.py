"""Reading a file from outside: what `projects.interchange.sandboxing` runs in a child.

Nothing of Django is imported, or a child would take seconds to start.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import opentimelineio as otio

from gpu_tasks.runtime.errors import InputRefusedError
from projects.bounds import MAX_CLIPS, MAX_TRACKS
from projects.interchange import cmx, guarding, reading, xmeml
from projects.interchange.terms import ForeignTrack, Piece, Reading

UNREADABLE = "unreadable_file"
MAX_DETAIL_LENGTH = 500
MAX_OWN_VALUES = 200_000
"""In all that stands where we write: tracks of the most clips with all their effects have half."""


def read(text: str, form: str, frame_rate: float) -> dict[str, Any]:
    """``tracks`` of ``terms.ForeignTrack``, or ``foreign``: what no track of ours can hold.

    ``frame_rate`` is for CMX 3600, which does not tell its own. Raises ``InputRefusedError``.
    """
    try:
        return _read(text, form, frame_rate)
    except (InputRefusedError, MemoryError):
        raise
    except Exception as exc:  # readers stumble over bad files in any way
        detail = f"This is no {form} file that we can read: {exc}"
        raise InputRefusedError(UNREADABLE, _printable(detail)[:MAX_DETAIL_LENGTH]) from exc


def _read(text: str, form: str, frame_rate: float) -> dict[str, Any]:
    found = READERS[form](text, frame_rate)
    if found.foreign:
        return {"foreign": found.foreign}
    tracks = [
        replace(each, pieces=[piece for piece in each.pieces if _plays(piece)])
        for each in found.tracks
    ]
    tracks = _without_other_channels(tracks)
    if len(tracks) > MAX_TRACKS or sum(len(each.pieces) for each in tracks) > MAX_CLIPS:
        raise ValueError(f"At most {MAX_TRACKS} tracks and {MAX_CLIPS} clips are read.")
    _check_values(tracks)
    return {"tracks": [asdict(each) for each in tracks]}


def _plays(piece: Piece) -> bool:
    """Whether it has a length, or is one of ours that is shorter than a frame."""
    if piece.end_ms < piece.begin_ms:
        raise ValueError("A clip ends before it begins.")
    return piece.end_ms > piece.begin_ms or bool(piece.ours)


def _without_other_channels(tracks: list[ForeignTrack]) -> list[ForeignTrack]:
    """A clip of ours plays all channels of its file: those that play together are one clip."""
    seen: dict[Piece, int] = {}
    kept = []
    for track in tracks:
        pieces = [
            piece
            for piece in track.pieces
            if track.type == "video"
            or seen.setdefault(replace(piece, channel=0), piece.channel) == piece.channel
        ]
        if pieces or not track.pieces:
            kept.append(replace(track, pieces=pieces))
    return kept


def _check_values(tracks: list[ForeignTrack]) -> None:
    """Raise ``ValueError`` where more stands in our places than we can have written."""
    level = [each.ours for each in tracks]
    level += [piece.ours for each in tracks for piece in each.pieces]
    values = 0
    while level:
        values += len(level)
        if values > MAX_OWN_VALUES:
            raise ValueError("There is too much metadata in it.")
        level = [inner for value in level for inner in guarding.inside(value)]


def _otio(text: str, _: float) -> Reading:
    # Written anew: what OpenTimelineIO reads is what we have looked at, whichever of two equal
    # members, or of two readings of a number, it would have chosen.
    timeline = otio.adapters.read_from_string(json.dumps(guarding.checked_json(text)), "otio_json")
    if not isinstance(timeline, otio.schema.Timeline) or timeline.tracks is None:
        raise ValueError("The file must hold one timeline, and nothing beside it.")
    if len(timeline.tracks) > MAX_TRACKS or sum(map(_children, timeline.tracks)) > 4 * MAX_CLIPS:
        raise ValueError(f"At most {MAX_TRACKS} tracks and {MAX_CLIPS} clips are read.")
    return reading.read_stack(timeline.tracks)


def _children(of: Any) -> int:
    return len(of) if isinstance(of, otio.core.Composition) else 1


def _fcp_xml(text: str, frame_rate: float) -> Reading:
    guarding.check_xml(text)
    return xmeml.read(text, frame_rate)


def _cmx(text: str, frame_rate: float) -> Reading:
    guarding.check_cmx(text)
    return cmx.read(text, frame_rate)


READERS: dict[str, Callable[[str, float], Reading]] = {
    "otio": _otio,
    "fcp_xml": _fcp_xml,
    "cmx3600": _cmx,
}


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()
