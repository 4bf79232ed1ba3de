"""Find by identity which clips an edit has changed: the others were checked before it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, zip_longest
from operator import gt, is_not

import bson

from projects.timeline.content import Clip, Content, Track

PlacedClip = tuple[int, int, Clip]
"""A clip with the index of its track, and its own index there."""

PLACE_BYTES = 6
"""What an element of an array takes in BSON besides itself: a type, four digits, a zero."""


@dataclass(frozen=True)
class ClipDiff:
    """Clips that are only in the content before or only in the one after.

    ``moved`` are the ``id()`` of clips that only begin at another time, which a cut makes of
    thousands.
    """

    removed: list[PlacedClip]
    added: list[PlacedClip]
    moved: frozenset[int]
    has_more_tracks: bool

    @cached_property
    def has_grown(self) -> bool:
        """True if there are more clips, effects, deleted clips or tracks than before."""
        return self.has_more_tracks or any(map(gt, _count(self.added), _count(self.removed)))

    @cached_property
    def bytes_at_most(self) -> int:
        """The number of bytes by which the tracks' clips can have grown in the document."""
        return sum(len(bson.encode(clip)) + PLACE_BYTES for _, _, clip in self.added)


def diff_clips(before: Content, after: Content) -> ClipDiff:
    """Return the clips that were added and removed; one that only has another index was not."""
    removed: list[PlacedClip] = []
    added: list[PlacedClip] = []
    moved: list[int] = []
    for index, (old, new) in enumerate(zip_longest(before.tracks, after.tracks)):
        old_clips, new_clips = _clips_of(old), _clips_of(new)
        if old_clips is new_clips:
            continue
        shared = min(len(old_clips), len(new_clips))
        is_same_type = old is not None and new is not None and old["type"] == new["type"]
        changed = []
        for at in compress(range(shared), map(is_not, old_clips, new_clips)):
            if is_same_type and _is_moved(old_clips[at], new_clips[at]):
                moved.append(id(new_clips[at]))
            else:
                changed.append(at)
        removed += [(index, at, old_clips[at]) for at in (*changed, *range(shared, len(old_clips)))]
        added += [(index, at, new_clips[at]) for at in (*changed, *range(shared, len(new_clips)))]
    in_both = {id(clip) for _, _, clip in removed} & {id(clip) for _, _, clip in added}
    if in_both:
        removed = [placed for placed in removed if id(placed[2]) not in in_both]
        added = [placed for placed in added if id(placed[2]) not in in_both]
    has_more_tracks = len(after.tracks) > len(before.tracks)
    return ClipDiff(removed, added, frozenset(moved), has_more_tracks)


def _clips_of(track: Track | None) -> list[Clip]:
    return track["clips"] if track else []


def _is_moved(old: Clip, new: Clip) -> bool:
    """Return True if a clip only begins at another time.

    Clips of deleted media are never among them: each edit of one decides its mark again.
    """
    return (
        old["start_ms"] != new["start_ms"]
        and old["effects"] is new["effects"]
        and {**old, "start_ms": new["start_ms"]} == new
        and old.get("cut") is new.get("cut")
        and "offline" not in new
    )


def _count(placed: Iterable[PlacedClip]) -> tuple[int, int, int]:
    """Count clips, effects and deleted clips."""
    clips = [clip for _, _, clip in placed]
    effects = sum([len(clip["effects"]) for clip in clips])
    return len(clips), effects, sum([clip["deleted"] for clip in clips])
