"""Reading a file from outside: what `projects.interchange.sandboxing` runs in a child.

Nothing of Django is imported, or a child would take seconds to start.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from typing import Any

import opentimelineio as otio

from gpu_tasks.errors import Refusal
from projects.bounds import MAX_CLIPS, MAX_TRACKS
from projects.interchange import guarding, reading
from projects.interchange.terms import MAX_NAMED, ForeignTrack, Item, item

UNREADABLE = "unreadable_file"
MAX_DETAIL_LENGTH = 500
MAX_OWN_VALUES = 200_000
"""In all that stands where we write: tracks of the most clips with all their effects have half."""
KINDS = {otio.schema.TrackKind.Video: "video", otio.schema.TrackKind.Audio: "audio"}


def read(text: str, form: str, frame_rate: float) -> dict[str, Any]:
    """``tracks`` of ``terms.ForeignTrack``, or ``foreign``: what no track of ours can hold.

    ``frame_rate`` is for CMX 3600, which does not tell its own. Raises ``Refusal``.
    """
    try:
        return _read(text, form, frame_rate)
    except (Refusal, MemoryError):
        raise
    except Exception as exc:  # adapters stumble over bad files in any way
        detail = f"This is no {form} file that we can read: {exc}"
        raise Refusal(UNREADABLE, _printable(detail)[:MAX_DETAIL_LENGTH]) from exc


def _read(text: str, form: str, frame_rate: float) -> dict[str, Any]:
    timeline = READERS[form](text, frame_rate)
    if not isinstance(timeline, otio.schema.Timeline) or timeline.tracks is None:
        raise ValueError("The file must hold one timeline, and nothing beside it.")
    tracks = list(timeline.tracks)
    foreign = [*_foreign(tracks)]
    if not foreign:
        if len(tracks) > MAX_TRACKS or sum(map(len, tracks)) > 4 * MAX_CLIPS:
            raise ValueError(f"At most {MAX_TRACKS} tracks and {MAX_CLIPS} clips are read.")
        readings = [reading.read_track(each, from_comments=form == "cmx3600") for each in tracks]
        foreign = list(islice((one for each in readings for one in each.foreign), MAX_NAMED))
    if foreign:
        return {"foreign": foreign}
    found = [
        ForeignTrack(KINDS[track.kind], track.name or "", each.pieces, reading.written_to(track))
        for track, each in zip(tracks, readings, strict=True)
    ]
    _check_values(found)
    return {"tracks": [asdict(each) for each in found]}


def _foreign(tracks: list[Any]) -> list[Item]:
    return [
        item("track", "A track is of video or of sound.", name=str(track.name)[:255])
        for track in islice(tracks, MAX_NAMED)
        if not isinstance(track, otio.schema.Track) or track.kind not in KINDS
    ]


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


def _otio(text: str, _: float) -> Any:
    # Written anew: what OpenTimelineIO reads is what we have looked at, whichever of two equal
    # members, or of two readings of a number, it would have chosen.
    return otio.adapters.read_from_string(json.dumps(guarding.checked_json(text)), "otio_json")


def _fcp_xml(text: str, _: float) -> Any:
    guarding.check_xml(text)
    return otio.adapters.read_from_string(text, "fcp_xml")


def _cmx(text: str, frame_rate: float) -> Any:
    guarding.check_cmx(text)
    return otio.adapters.read_from_string(text, "cmx_3600", rate=frame_rate)


READERS: dict[str, Callable[[str, float], Any]] = {
    "otio": _otio,
    "fcp_xml": _fcp_xml,
    "cmx3600": _cmx,
}


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()
