"""Read a file of another editor, in the sandbox that `projects.interchange.sandboxing` starts.

This module imports nothing of Django, because a child would then take seconds to start.
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
"""The limit of values in our metadata: twice as many as the largest timeline has."""


def read(text: str, form: str, frame_rate: float) -> dict[str, Any]:
    """Return ``tracks`` of ``terms.ForeignTrack``, or ``foreign`` items that no EDL can hold.

    ``frame_rate`` is for CMX 3600, which does not state its own. Raises ``InputRefusedError``.
    """
    try:
        return _read_tracks(text, form, frame_rate)
    except (InputRefusedError, MemoryError):
        raise
    except Exception as exc:  # Bad files can make the parsers raise anything.
        detail = f"The file cannot be read as {form}: {exc}"
        # The detail may quote lone surrogates of the file, which UTF-8 cannot encode.
        detail = detail.encode(errors="replace").decode()[:MAX_DETAIL_LENGTH]
        raise InputRefusedError(UNREADABLE, detail) from exc


def _read_tracks(text: str, form: str, frame_rate: float) -> dict[str, Any]:
    result = READERS[form](text, frame_rate)
    if result.foreign:
        return {"foreign": result.foreign}
    tracks = [
        replace(track, pieces=[piece for piece in track.pieces if _plays(piece)])
        for track in result.tracks
    ]
    tracks = _merge_channels(tracks)
    if len(tracks) > MAX_TRACKS or sum(len(track.pieces) for track in tracks) > MAX_CLIPS:
        raise ValueError(
            f"The file has too many tracks or clips: at most {MAX_TRACKS} tracks and {MAX_CLIPS} "
            "clips can be imported."
        )
    _check_values(tracks)
    return {"tracks": [asdict(track) for track in tracks]}


def _plays(piece: Piece) -> bool:
    """Return True if the piece has a length, or is a clip of ours shorter than a frame."""
    if piece.end_ms < piece.begin_ms:
        raise ValueError("A clip ends before it begins.")
    return piece.end_ms > piece.begin_ms or bool(piece.ours)


def _merge_channels(tracks: list[ForeignTrack]) -> list[ForeignTrack]:
    """Merge the channels of a file that play together, because our clips play all channels."""
    channels: dict[Piece, int] = {}
    merged = []
    for track in tracks:
        pieces = [
            piece
            for piece in track.pieces
            if track.type == "video"
            or channels.setdefault(replace(piece, channel=0), piece.channel) == piece.channel
        ]
        if pieces or not track.pieces:
            merged.append(replace(track, pieces=pieces))
    return merged


def _check_values(tracks: list[ForeignTrack]) -> None:
    """Raise ``ValueError`` if our metadata has more values than we can have written."""
    level = [track.ours for track in tracks]
    level += [piece.ours for track in tracks for piece in track.pieces]
    values = 0
    while level:
        values += len(level)
        if values > MAX_OWN_VALUES:
            raise ValueError("The file has too much metadata.")
        level = [member for value in level for member in guarding.list_members(value)]


def _read_otio(text: str, _: float) -> Reading:
    # Serialize the checked values, so that OpenTimelineIO reads exactly what was checked: it may
    # read equal members or numbers of the original text in another way.
    timeline = otio.adapters.read_from_string(json.dumps(guarding.parse_json(text)), "otio_json")
    if not isinstance(timeline, otio.schema.Timeline) or timeline.tracks is None:
        raise ValueError("The file must contain exactly one timeline and nothing else.")
    if (
        len(timeline.tracks) > MAX_TRACKS
        or sum(map(_count_children, timeline.tracks)) > 4 * MAX_CLIPS
    ):
        raise ValueError(
            f"The file has too many tracks or clips: at most {MAX_TRACKS} tracks and {MAX_CLIPS} "
            "clips can be imported."
        )
    return reading.read_stack(timeline.tracks)


def _count_children(element: Any) -> int:
    return len(element) if isinstance(element, otio.core.Composition) else 1


def _read_fcp_xml(text: str, frame_rate: float) -> Reading:
    guarding.check_xml(text)
    return xmeml.read(text, frame_rate)


def _read_cmx(text: str, frame_rate: float) -> Reading:
    guarding.check_cmx(text)
    return cmx.read(text, frame_rate)


READERS: dict[str, Callable[[str, float], Reading]] = {
    "otio": _read_otio,
    "fcp_xml": _read_fcp_xml,
    "cmx3600": _read_cmx,
}
