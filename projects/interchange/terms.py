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
    """Which file a piece plays: by its id with us if the timeline tells one, and by name.

    ``path_names`` are those of its address.
    """

    media_id: str | None
    names: tuple[str, ...]
    path_names: tuple[str, ...] = ()
    is_id_of_metadata: bool = False
    """Whether the address has no id, so that another program may have written it."""


def reference_at(url: str, *names: str, media_id: Any = None) -> MediaReference:
    """Return the file at an address, which may be one of ours, or of one of these names.

    An id in the address comes before ``media_id``, the one of the metadata: other programs change
    addresses and keep metadata. Raises ``ValueError`` for an address that is too long.
    """
    if len(url) > MAX_URL_LENGTH:
        raise ValueError("The address of a file is too long.")
    path = unquote(url)
    parts = path.split("/")
    by_url = [after for root, after in pairwise(parts) if root == URL_ROOT]
    url_id = next(filter(None, map(_uuid, by_url)), None)
    path_name = PurePosixPath(path).name
    metadata_id = None if url_id else _uuid(media_id)
    candidates = (name for each in (path_name, *names) for name in _candidates(each))
    return MediaReference(
        media_id=url_id or metadata_id,
        names=tuple(dict.fromkeys(candidates)),
        path_names=_candidates(path_name),
        is_id_of_metadata=metadata_id is not None,
    )


def _candidates(name: str) -> tuple[str, ...]:
    """Return what a file of this name, or path, may be called: uploads have no folders."""
    names = (PureWindowsPath(name).name, name)
    return tuple(dict.fromkeys(name[:MAX_NAME_LENGTH] for name in names if name))


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
    counts_from_file_start: bool = False
    """Whether the timeline states where the file starts, and ``in_ms`` counts from there."""
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
    media = MediaReference(
        media_id=source["media_id"],
        names=tuple(source["names"]),
        path_names=tuple(source["path_names"]),
        is_id_of_metadata=source["is_id_of_metadata"],
    )
    return Piece(**{**plain, "source": media})
