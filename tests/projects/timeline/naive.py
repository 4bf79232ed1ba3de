"""Tracks the plain way: each operation on a draft of its own, every place worked out each time.

What `projects.timeline.track_editor` keeps right from edit to edit must be what this finds.
"""

from collections.abc import Iterator
from typing import Any

from projects.timeline.content import Clip, Content, Track, end_of
from projects.timeline.draft import Draft
from projects.timeline.track_editor import ClipIndex, closed, closing_of

Closing = tuple[int, int, int, int, int, int]
"""Where in the film, and had nothing been closed; how much; in point; key; lead."""


def apply(content: Content, operation: Any) -> Content:
    """The content after one of the operations that cut and bring back."""
    draft = PlainDraft(content)
    operation.apply(draft)
    return draft.content()


class PlainDraft(Draft):
    """A draft of plain tracks."""

    def __init__(self, content: Content) -> None:
        super().__init__(content)
        lanes: list[Any] = [PlainLane(track) for track in content.tracks]
        self.lanes = lanes


class PlainLane:
    """A track as its clips, and where each lies had no ripple closed anything."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.clips: dict[int, Clip] = dict(enumerate(track["clips"]))
        self.at = self._uncut()
        self.changed = False

    def _uncut(self) -> dict[int, int]:
        """Each closing lies behind the others that are before it; all else, behind those."""
        found = sorted(self._closings())
        places = self._places(found)
        for key, clip in self.clips.items():
            if key not in places:
                before = [other for other in found if other[0] <= clip["start_ms"]]
                places[key] = clip["start_ms"] + sum(other[2] for other in before)
        return places

    def _closings(self) -> Iterator[Closing]:
        for key, clip in self.clips.items():
            lead, ms = closing_of(clip) or (0, None)
            if ms is not None:
                point = clip["start_ms"] + lead
                free = self._free_from(point) if ms else point
                lead = lead if free == point else 0
                known = clip["cut"].get("start_ms", clip["start_ms"]) + lead
                yield free, known, ms, clip["in_point_ms"], key, lead

    def _places(self, found: list[Closing]) -> dict[int, int]:
        points: dict[int, int] = {}
        leads: dict[int, int] = {}
        for place, (point, known, ms, _, key, lead) in enumerate(found):
            before = [other for other in found[:place] if other[2]]
            points[key] = point + sum(other[2] for other in before)
            around = [other for other in before if other[0] == point]
            if around and not ms and known < around[-1][1] + around[-1][2]:
                points[key] = points[around[-1][4]] + known - around[-1][1]
            leads[key] = 0 if before and before[-1][0] > point - lead else lead
            if leads[key] != self.clips[key]["cut"].get("lead_ms", 0):
                self.clips[key] = closed(self.clips[key], (leads[key], ms))
        return {key: points[key] - leads[key] for key in points}

    def _free_from(self, at: int) -> int:
        live = [clip for clip in self.clips.values() if not clip["deleted"]]
        for clip in sorted(live, key=lambda clip: int(clip["start_ms"])):
            if clip["start_ms"] < at < end_of(clip):
                at = end_of(clip)
        return at

    @property
    def rows(self) -> tuple[ClipIndex, ClipIndex]:
        rows: tuple[list[Any], list[Any]] = ([], [])
        for key, at in self.at.items():
            rows[self.clips[key]["deleted"]].append((at, key, self.clips[key]["duration_ms"]))
        return ClipIndex(rows[0]), ClipIndex(rows[1])

    @property
    def playing(self) -> ClipIndex:
        return self.rows[0]

    @property
    def gone(self) -> ClipIndex:
        return self.rows[1]

    @property
    def order(self) -> list[int]:
        return list(self.clips)

    def key_of(self, clip_id: str) -> int | None:
        return next((key for key, clip in self.clips.items() if clip["id"] == clip_id), None)

    def uncut(self, key: int) -> Clip:
        return {**self.clips[key], "start_ms": self.at[key]}

    def lift(self, key: int) -> None:
        del self.at[key]

    def lay(self, key: int | None, clip: Clip) -> int:
        key = max(self.clips, default=-1) + 1 if key is None else key
        self.clips[key], self.at[key], self.changed = clip, clip["start_ms"], True
        return key

    def drop(self, key: int, *, lifted: bool) -> None:
        assert lifted
        del self.clips[key]

    def move(self, at: int, shift: int) -> None:
        self.at = {
            key: start + shift if start >= at else min(start, at + shift)
            for key, start in self.at.items()
        }

    def settle(self) -> None:
        """Write all and read it again."""
        self.clips = {key: self._in_film(key) for key in self.clips}
        self.at = self._uncut()

    def finished(self) -> Track:
        if not self.changed:
            return self.track
        return {**self.track, "clips": [self._in_film(key) for key in self.clips]}

    def _in_film(self, key: int) -> Clip:
        clip, at = self.clips[key], self.at[key]
        lead = (closing_of(clip) or (0, 0))[0]
        closings = [
            (self.at[other] + each[0], each[1])
            for other, each in ((o, closing_of(c)) for o, c in self.clips.items())
            if each is not None and each[1] and self.at[other] + each[0] < at + lead
        ]
        start = at + lead - sum(ms for _, ms in closings)
        if closings:
            last = max(moment for moment, _ in closings)
            start = max(start, last - sum(ms for moment, ms in closings if moment < last))
        if "cut" in clip:
            clip = {**clip, "cut": {**clip["cut"], "start_ms": at}}
        return {**clip, "start_ms": max(start - lead, 0)}
