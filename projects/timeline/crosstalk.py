"""Who speaks while somebody else does, in one media file."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import gt

from projects.timeline.content import Segment
from projects.timeline.dividing import Span

Spoken = tuple[int, int, int]
"""When a word begins and ends, and the place of its segment."""


class Crosstalk:
    """The segments of one media file, by their places in the transcript."""

    def __init__(self, said: Sequence[tuple[int, Segment]]) -> None:
        met = _met(said)
        self._met = {place for place, _ in met}
        spoken = sorted(word for place, segment in met for word in _spoken(place, segment))
        self._starts = [begin for begin, _, _ in spoken]
        self._reach = _reach(spoken)

    def is_over(self, place: int, span: Span) -> bool:
        """Whether a word of another segment than that at the place lies over any of this time."""
        behind = bisect_left(self._starts, span[1]) if place in self._met else 0
        if not behind:
            return False
        (end, whose), (other_end, _) = self._reach[behind - 1]
        return (other_end if whose == place else end) > span[0]


def _met(said: Sequence[tuple[int, Segment]]) -> list[tuple[int, Segment]]:
    """The segments that share some of their time with another one."""
    starts = [segment["start_ms"] for _, segment in said]
    ends = [segment["end_ms"] for _, segment in said]
    if starts == sorted(starts) and not any(map(gt, ends, starts[1:])):
        return []
    ordered = sorted(said, key=lambda each: (each[1]["start_ms"], each[1]["end_ms"]))
    reach = [0, *accumulate((segment["end_ms"] for _, segment in ordered), max)]
    starts = [segment["start_ms"] for _, segment in ordered]
    return [
        each
        for each, until, start, next_start in zip(
            ordered, reach, starts, [*starts[1:], reach[-1]], strict=False
        )
        if start < until or next_start < each[1]["end_ms"]
    ]


def _spoken(place: int, segment: Segment) -> list[Spoken]:
    if not segment["words"]:
        return [(segment["start_ms"], segment["end_ms"], place)]
    return [
        (word["start_ms"], word["end_ms"], place)
        for word in segment["words"]
        if not word.get("deleted")
    ]


Reach = tuple[tuple[int, int], tuple[int, int]]
"""The latest end of any word, and of any of another segment than that one; each with whose."""


def _reach(spoken: Sequence[Spoken]) -> list[Reach]:
    """How far each word and those before it reach."""
    found = []
    first, second = (-1, -1), (-1, -1)
    for _, end, place in spoken:
        if place == first[1]:
            first = max(first, (end, place))
        elif end > first[0]:
            first, second = (end, place), first
        else:
            second = max(second, (end, place))
        found.append((first, second))
    return found
