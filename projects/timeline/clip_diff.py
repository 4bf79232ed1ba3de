"""Which clips an edit has touched, found by identity: what it left alone was right before it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, zip_longest
from operator import gt, is_not

import bson

from projects.timeline.content import Clip, Content, Track

Placed = tuple[int, int, Clip]
"""A clip with the index of its track, and its own on it."""

PLACE_BYTES = 6
"""What an element of an array takes in BSON besides itself: a type, four digits, a zero."""


@dataclass(frozen=True)
class ClipDiff:
    """Clips that are there before or after and not on the other side, but for the ``moved``.

    Those begin at other times, which a cut makes of thousands, and are else what they were; told
    by the ``id()`` of what they are after.
    """

    gone: list[Placed]
    come: list[Placed]
    moved: frozenset[int]
    more_tracks: bool

    @cached_property
    def has_grown(self) -> bool:
        """Whether there is more than before of clips, effects, deleted clips or tracks."""
        return self.more_tracks or any(map(gt, _weight(self.come), _weight(self.gone)))

    @cached_property
    def bytes_at_most(self) -> int:
        """By how much the tracks can have grown in the document, but for their headers."""
        return sum(len(bson.encode(clip)) + PLACE_BYTES for _, _, clip in self.come)


def diff_clips(before: Content, after: Content) -> ClipDiff:
    """The clips that have come and gone; one that has only changed its place has not."""
    gone: list[Placed] = []
    come: list[Placed] = []
    moved: list[int] = []
    for index, (old, new) in enumerate(zip_longest(before.tracks, after.tracks)):
        was, now = _clips(old), _clips(new)
        if was is now:
            continue
        shared = min(len(was), len(now))
        same_kind = old is not None and new is not None and old["type"] == new["type"]
        others = []
        for at in compress(range(shared), map(is_not, was, now)):
            if same_kind and _is_moved(was[at], now[at]):
                moved.append(id(now[at]))
            else:
                others.append(at)
        gone += [(index, at, was[at]) for at in (*others, *range(shared, len(was)))]
        come += [(index, at, now[at]) for at in (*others, *range(shared, len(now)))]
    both = {id(clip) for _, _, clip in gone} & {id(clip) for _, _, clip in come}
    if both:
        gone, come = ([one for one in some if id(one[2]) not in both] for some in (gone, come))
    return ClipDiff(gone, come, frozenset(moved), len(after.tracks) > len(before.tracks))


def _clips(track: Track | None) -> list[Clip]:
    return track["clips"] if track else []


def _is_moved(old: Clip, new: Clip) -> bool:
    """Marks of media that is deleted are looked at anew with each edit of a clip."""
    return (
        old["start_ms"] != new["start_ms"]
        and old["effects"] is new["effects"]
        and {**old, "start_ms": new["start_ms"]} == new
        and old.get("cut") is new.get("cut")
        and "offline" not in new
    )


def _weight(placed: Iterable[Placed]) -> tuple[int, int, int]:
    clips = [clip for _, _, clip in placed]
    effects = sum([len(clip["effects"]) for clip in clips])
    return len(clips), effects, sum([clip["deleted"] for clip in clips])
