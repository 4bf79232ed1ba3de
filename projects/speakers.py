"""Name speakers, so that speakers of different recordings never share a name."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count

from projects.timeline.content import Segment

NUMBERED = re.compile(r"Speaker ([1-9]\d{0,5})")
Segments = Sequence[Segment]


def assign_names(segments: Segments, before: Segments, media_file_id: str) -> list[Segment]:
    """Return a medium's new segments, with speakers distinct from those of other media ``before``.

    A speaker of the medium's earlier segments keeps their name, which the user may have given: the
    overlap in time identifies them. Others get the next free numbers, in the order in which they
    begin to speak.
    """
    earlier_segments = [segment for segment in before if segment["media_file_id"] == media_file_id]
    names = _match_earlier_names(segments, earlier_segments)
    numbers = (NUMBERED.fullmatch(segment["speaker"]) for segment in before)
    highest = max((int(match[1]) for match in numbers if match), default=0)
    new = (f"Speaker {number}" for number in count(highest + 1))
    for segment in segments:
        if segment["speaker"] not in names:
            names[segment["speaker"]] = next(new)
    return [{**segment, "speaker": names[segment["speaker"]]} for segment in segments]


def _match_earlier_names(segments: Segments, earlier_segments: Segments) -> dict[str, str]:
    """Return earlier names of speakers by overlap, the longest first, each name used once."""
    common_ms: Counter[tuple[str, str]] = Counter()
    for segment, earlier_segment, length_ms in _iterate_overlaps(segments, earlier_segments):
        common_ms[segment["speaker"], earlier_segment["speaker"]] += length_ms
    names: dict[str, str] = {}
    for (label, name), _ in common_ms.most_common():
        if label not in names and name not in names.values():
            names[label] = name
    return names


def _iterate_overlaps(
    segments: Segments, earlier_segments: Segments
) -> Iterator[tuple[Segment, Segment, int]]:
    """Yield pairs of segments that overlap, with the milliseconds, in one pass along their ends."""
    new_segments, old_segments = (
        sorted(side, key=lambda segment: segment["end_ms"]) for side in (segments, earlier_segments)
    )
    new_index = old_index = 0
    while new_index < len(new_segments) and old_index < len(old_segments):
        new, old = new_segments[new_index], old_segments[old_index]
        length = min(new["end_ms"], old["end_ms"]) - max(new["start_ms"], old["start_ms"])
        if length > 0:
            yield new, old, length
        if new["end_ms"] <= old["end_ms"]:
            new_index += 1
        else:
            old_index += 1
