"""Names of speakers: nobody in one recording is taken for somebody in another."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count

from projects.timeline.content import Segment

NUMBERED = re.compile(r"Speaker ([1-9]\d{0,5})")
Segments = Sequence[Segment]


def named(segments: Segments, before: Segments, media_file_id: str) -> list[Segment]:
    """A medium's new segments, with speakers that differ from those of other media ``before``.

    Who has been heard in the medium before keeps their name, which may be the user's: they are
    recognised by when they speak. Others are numbered on from all that are there, as they begin
    to speak.
    """
    own = [one for one in before if one["media_file_id"] == media_file_id]
    names = _earlier_names(segments, own)
    numbers = (NUMBERED.fullmatch(one["speaker"]) for one in before)
    highest = max((int(found[1]) for found in numbers if found), default=0)
    new = (f"Speaker {number}" for number in count(highest + 1))
    for segment in segments:
        if segment["speaker"] not in names:
            names[segment["speaker"]] = next(new)
    return [{**segment, "speaker": names[segment["speaker"]]} for segment in segments]


def _earlier_names(segments: Segments, own: Segments) -> dict[str, str]:
    """The old names of those who speak at the same times, the longest first, each given once."""
    together: Counter[tuple[str, str]] = Counter()
    for one, other, length_ms in _overlaps(segments, own):
        together[one["speaker"], other["speaker"]] += length_ms
    names: dict[str, str] = {}
    for (label, name), _ in together.most_common():
        if label not in names and name not in names.values():
            names[label] = name
    return names


def _overlaps(segments: Segments, own: Segments) -> Iterator[tuple[Segment, Segment, int]]:
    """Pairs that have a time in common, walked along their ends."""
    ones, others = (sorted(each, key=lambda one: one["end_ms"]) for each in (segments, own))
    place = at = 0
    while place < len(ones) and at < len(others):
        one, other = ones[place], others[at]
        length = min(one["end_ms"], other["end_ms"]) - max(one["start_ms"], other["start_ms"])
        if length > 0:
            yield one, other, length
        if one["end_ms"] <= other["end_ms"]:
            place += 1
        else:
            at += 1
