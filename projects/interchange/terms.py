"""What a foreign timeline is to us: tracks of pieces in plain values, which cross from the child.

Neither OpenTimelineIO nor Django is known here.
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
"""Of what is refused, as many are told at once."""

Item = dict[str, str]


def item(what: str, detail: str, **where: str) -> Item:
    """One thing that cannot be held, and where it stands."""
    short = {key: value[:MAX_NAME_LENGTH] for key, value in where.items()}
    return {"what": what, **short, "detail": detail}


@dataclass
class Reading:
    """What a file plays, and what of it no track of ours has a place for."""

    tracks: list["ForeignTrack"] = field(default_factory=list)
    foreign: list[Item] = field(default_factory=list)

    def refuse(self, what: str, detail: str, **where: str) -> None:
        """Name a thing that cannot be held; of very many the first."""
        if len(self.foreign) < MAX_NAMED:
            self.foreign.append(item(what, detail, **where))


@dataclass(frozen=True)
class MediaReference:
    """Which file a piece plays: by its id with us if the timeline tells one, and by name."""

    media_id: str | None
    names: tuple[str, ...]


def reference_at(url: str, *names: str, media_id: Any = None) -> MediaReference:
    """The file at an address, which may be one of ours, or of one of these names.

    Raises ``ValueError`` for an address that is too long.
    """
    if len(url) > MAX_URL_LENGTH:
        raise ValueError("The address of a file is too long.")
    path = unquote(url)
    parts = path.split("/")
    by_url = [after for root, after in pairwise(parts) if root == URL_ROOT]
    candidates: list[str] = []
    for name in (PurePosixPath(path).name, *names):
        # Uploads are named by the last part of a path, of Windows as well.
        candidates += [PureWindowsPath(name).name, name]
    short = dict.fromkeys(name[:MAX_NAME_LENGTH] for name in candidates if name)
    return MediaReference(next(filter(None, map(_uuid, (media_id, *by_url))), None), tuple(short))


def _uuid(value: Any) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


@dataclass(frozen=True)
class Piece:
    """A clip as the timeline has it: milliseconds, with its part of the cross-fades around it."""

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
    ours: Mapping[str, Any] = field(default_factory=dict, compare=False)
    channel: int = 0
    """Which of its file's channels of sound, where the format has them one by one."""


@dataclass(frozen=True)
class ForeignTrack:
    """A track in pieces; ``ours`` is what we have written to it, if it says so."""

    type: str
    name: str
    pieces: list[Piece]
    ours: Any = None


def tracks_from(plain: list[dict[str, Any]]) -> list[ForeignTrack]:
    """The tracks again, of what ``dataclasses.asdict`` and JSON have made of them."""
    return [
        ForeignTrack(**{**each, "pieces": [_piece(piece) for piece in each["pieces"]]})
        for each in plain
    ]


def _piece(plain: dict[str, Any]) -> Piece:
    source = plain["source"]
    media = MediaReference(source["media_id"], tuple(source["names"]))
    return Piece(**{**plain, "source": media})
