"""Find who speaks while somebody else does, in one media file."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import gt

from projects.timeline.content import Segment
from projects.timeline.dividing import TimeRange

IndexedSegment = tuple[int, Segment]
"""A segment with its index in the transcript."""
SpokenWord = tuple[int, int, int]
"""When a word begins and ends, and the index of its segment."""
Reach = tuple[tuple[int, int], tuple[int, int]]
"""The latest end of any word, and of any word of another segment; each with the segment's index."""


class Crosstalk:
    """The segments of one media file that share some of their time with another one."""

    def __init__(self, segments: Sequence[IndexedSegment]) -> None:
        overlapping = _list_overlapping(segments)
        self._indexes = {index for index, _ in overlapping}
        words = sorted(word for index, segment in overlapping for word in _words(index, segment))
        self._starts = [begin for begin, _, _ in words]
        self._reach = _build_reach(words)

    def is_over(self, segment_index: int, source: TimeRange) -> bool:
        """Return True if a word of another segment shares some of this time."""
        count = bisect_left(self._starts, source[1]) if segment_index in self._indexes else 0
        if not count:
            return False
        (end, latest_index), (other_end, _) = self._reach[count - 1]
        return (other_end if latest_index == segment_index else end) > source[0]


def _list_overlapping(segments: Sequence[IndexedSegment]) -> list[IndexedSegment]:
    """Return the segments that share some of their time with another one."""
    starts = [segment["start_ms"] for _, segment in segments]
    ends = [segment["end_ms"] for _, segment in segments]
    if starts == sorted(starts) and not any(map(gt, ends, starts[1:])):
        return []
    ordered = sorted(segments, key=lambda item: (item[1]["start_ms"], item[1]["end_ms"]))
    reach = [0, *accumulate((segment["end_ms"] for _, segment in ordered), max)]
    starts = [segment["start_ms"] for _, segment in ordered]
    return [
        item
        for item, until, start, next_start in zip(
            ordered, reach, starts, [*starts[1:], reach[-1]], strict=False
        )
        if start < until or next_start < item[1]["end_ms"]
    ]


def _words(index: int, segment: Segment) -> list[SpokenWord]:
    if not segment["words"]:
        return [(segment["start_ms"], segment["end_ms"], index)]
    return [
        (word["start_ms"], word["end_ms"], index)
        for word in segment["words"]
        if not word.get("deleted")
    ]


def _build_reach(words: Sequence[SpokenWord]) -> list[Reach]:
    """Return how far each word and those before it reach."""
    result = []
    first, second = (-1, -1), (-1, -1)
    for _, end, index in words:
        if index == first[1]:
            first = max(first, (end, index))
        elif end > first[0]:
            first, second = (end, index), first
        else:
            second = max(second, (end, index))
        result.append((first, second))
    return result
