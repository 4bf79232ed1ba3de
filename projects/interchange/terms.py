"""What a foreign timeline is to us: tracks of pieces in plain values, which cross from the child.

Neither OpenTimelineIO nor Django is known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "auteur"
URL_ROOT = "media"
MAX_NAMED = 50
"""Of what is refused, as many are told at once."""

Item = dict[str, str]


def item(what: str, detail: str, **where: str) -> Item:
    """One thing that cannot be held, and where it stands."""
    return {"what": what, **where, "detail": detail}


@dataclass(frozen=True)
class Source:
    """Which file a piece plays: by its id with us if the timeline tells one, and by name."""

    media_id: str | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A clip as the timeline has it: milliseconds, with its part of the cross-fades around it."""

    begin_ms: int
    end_ms: int
    in_ms: int
    source: Source
    speed: float = 1
    cross_fade_ms: int = 0
    fade_in_ms: int = 0
    fade_out_ms: int = 0
    enabled: bool = True
    frame_ms: float = 0
    ours: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class ForeignTrack:
    """A track in pieces; ``ours`` is what we have written to it, if it says so."""

    type: str
    name: str
    pieces: list[Piece]
    ours: Any = None


def tracks_from(plain: list[dict[str, Any]]) -> list[ForeignTrack]:
    """The tracks again, of what ``dataclasses.asdict`` and JSON have made of them."""
    return [ForeignTrack(**{**each, "pieces": _pieces(each["pieces"])}) for each in plain]


def _pieces(plain: list[dict[str, Any]]) -> list[Piece]:
    return [
        Piece(
            **{
                **each,
                "source": Source(each["source"]["media_id"], tuple(each["source"]["names"])),
            }
        )
        for each in plain
    ]
