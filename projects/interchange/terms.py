"""Define a foreign timeline as tracks of pieces in plain values, which the sandbox answers.

This module imports neither OpenTimelineIO nor Django.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote
from uuid import UUID

OURS = "auteur"
URL_ROOT = "media"
MAX_NAME_LENGTH = 255
MAX_URL_LENGTH = 8000
MAX_NAMED = 50
"""The number of refused items that one response lists."""

Item = dict[str, str]


def build_item(code: str, detail: str, **location: str) -> Item:
    """Return the description of an item that cannot be held, with its location."""
    short_location = {key: value[:MAX_NAME_LENGTH] for key, value in location.items()}
    return {"what": code, **short_location, "detail": detail}


@dataclass
class Reading:
    """The content of a file: the tracks, and the items that no EDL can hold."""

    tracks: list["ForeignTrack"] = field(default_factory=list)
    foreign: list[Item] = field(default_factory=list)

    def refuse(self, code: str, detail: str, **location: str) -> None:
        """Add an item that cannot be held, up to ``MAX_NAMED``."""
        if len(self.foreign) < MAX_NAMED:
            self.foreign.append(build_item(code, detail, **location))


@dataclass(frozen=True)
class MediaReference:
    """The file that a piece plays: its media id, if the timeline has one, and its possible names.

    ``path_names`` are the names in its address.
    """

    media_id: str | None
    names: tuple[str, ...]
    path_names: tuple[str, ...] = ()
    is_id_of_metadata: bool = False
    """True if the id is from the metadata, so that another program may have changed the address."""


def build_reference(url: str, *names: str, media_id: Any = None) -> MediaReference:
    """Return the file at an address, or with one of the names.

    An id in the address precedes ``media_id``, the id in the metadata, because other programs
    change addresses and keep metadata. Raises ``ValueError`` for an address that is too long.
    """
    if len(url) > MAX_URL_LENGTH:
        raise ValueError("The address of a file is too long.")
    path = unquote(url)
    parts = path.split("/")
    url_parts = [part for previous, part in pairwise(parts) if previous == URL_ROOT]
    url_id = next(filter(None, map(_parse_uuid, url_parts)), None)
    path_name = PurePosixPath(path).name
    metadata_id = None if url_id else _parse_uuid(media_id)
    candidates = (name for full_name in (path_name, *names) for name in _list_candidates(full_name))
    return MediaReference(
        media_id=url_id or metadata_id,
        names=tuple(dict.fromkeys(candidates)),
        path_names=_list_candidates(path_name),
        is_id_of_metadata=metadata_id is not None,
    )


def _list_candidates(path: str) -> tuple[str, ...]:
    """Return the names that an upload of this name, or path, may have: uploads have no folders."""
    names = (PureWindowsPath(path).name, path)
    return tuple(dict.fromkeys(name[:MAX_NAME_LENGTH] for name in names if name))


def _parse_uuid(value: Any) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


@dataclass(frozen=True)
class Piece:
    """A clip of a foreign timeline in milliseconds, with the cross-fades before and after it."""

    begin_ms: int
    end_ms: int
    in_ms: int
    source: MediaReference
    speed: float = 1
    cross_fade_ms: int = 0
    fade_in_ms: int = 0
    fade_out_ms: int = 0
    enabled: bool = True
    frame_ms: float = 0
    counts_from_file_start: bool = False
    """True if the timeline states where the file starts, and ``in_ms`` counts from there."""
    ours: Mapping[str, Any] = field(default_factory=dict, compare=False)
    channel: int = 0
    """The channel of sound of its file, if the format has one clip for each channel."""


@dataclass(frozen=True)
class ForeignTrack:
    """A foreign track in pieces; ``ours`` is the value of our metadata, which may be anything."""

    type: str
    name: str
    pieces: list[Piece]
    ours: Any = None


def parse_tracks(plain: list[dict[str, Any]]) -> list[ForeignTrack]:
    """Return the tracks from their plain form, which ``dataclasses.asdict`` and JSON have made."""
    return [
        ForeignTrack(**{**track, "pieces": [_build_piece(piece) for piece in track["pieces"]]})
        for track in plain
    ]


def _build_piece(plain: dict[str, Any]) -> Piece:
    source = plain["source"]
    media = MediaReference(
        media_id=source["media_id"],
        names=tuple(source["names"]),
        path_names=tuple(source["path_names"]),
        is_id_of_metadata=source["is_id_of_metadata"],
    )
    return Piece(**{**plain, "source": media})
