"""Find fillers, repeats and pauses in the transcript, and cut them out of all clips."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, compress
from operator import itemgetter, sub

from projects.timeline.content import EditError, Segment, Word
from projects.timeline.crosstalk import Crosstalk, IndexedSegment
from projects.timeline.dividing import TimeRange
from projects.timeline.draft import Draft, Removed
from projects.timeline.fields import Mode
from projects.timeline.fillers import Search
from projects.timeline.source_ranges import (
    RangeIndex,
    SourceRanges,
    cut_playing_clips,
    find_playing_clips,
    measure_seen,
)

FoundWord = tuple[TimeRange, int, int]
"""A word's time, the index of its segment in the transcript, and its index in the segment."""


def cut_fillers(draft: Draft, op: str, search: Search, mode: Mode) -> None:
    """Delete the matching words that are played, and cut out what plays them."""
    words = {
        media: _find_words(draft, segments, search)
        for media, segments in _played_segments(draft).items()
    }
    ranges = {
        media: SourceRanges((source, draft.segments[index]["id"]) for source, index, _ in matches)
        for media, matches in words.items()
    }
    seen = _cut_seen(draft, ranges, mode)
    _mark_deleted(draft, [words[media][index] for media, index in seen])
    draft.removed.append(Removed(op, len(seen), sum(seen.values())))


def cut_silences(draft: Draft, op: str, longer_ms: int, padding_ms: int, mode: Mode) -> None:
    """Shorten longer pauses between words to the padding on their two sides."""
    ranges = {
        media: SourceRanges(
            ((begin + padding_ms, end - padding_ms), None)
            for begin, end in find_pauses([segment for _, segment in segments], longer_ms)
        )
        for media, segments in _played_segments(draft).items()
    }
    seen = _cut_seen(draft, ranges, mode)
    draft.removed.append(Removed(op, len(seen), sum(seen.values())))


def find_pauses(segments: Sequence[Segment], longer_ms: int) -> list[TimeRange]:
    """Return the longer times between the words of one media file in which nobody speaks.

    Deleted words are words, and a segment without words is one. Only the result has tuples:
    tuples of all words would set off a garbage collection of all that is in memory.
    """
    starts, ends = (
        [*chain.from_iterable(_word_moments(segments, name))] for name in ("start_ms", "end_ms")
    )
    order = sorted(range(len(starts)), key=starts.__getitem__)
    starts = [starts[index] for index in order]
    reach = list(accumulate((ends[index] for index in order), max))
    lengths = map(sub, starts[1:], reach)
    longer = compress(range(len(reach)), map(longer_ms.__lt__, lengths))
    return [(reach[index], starts[index + 1]) for index in longer]


def _word_moments(segments: Iterable[Segment], name: str) -> Iterator[Iterable[int]]:
    """Yield where words begin, or end."""
    moment: Callable[[Word | Segment], int] = itemgetter(name)
    for segment in segments:
        yield map(moment, segment["words"]) if segment["words"] else [moment(segment)]


def _played_segments(draft: Draft) -> Mapping[str, list[IndexedSegment]]:
    """Return the segments of media files that clips play; raise ``EditError`` if there are none."""
    clips = (clip for track in draft.tracks for clip in track.clips.values())
    played = {clip["media_file_id"] for clip in clips if not clip["deleted"]}
    by_media: dict[str, list[IndexedSegment]] = {}
    for index, segment in enumerate(draft.segments):
        if segment["media_file_id"] in played:
            by_media.setdefault(segment["media_file_id"], []).append((index, segment))
    if not by_media:
        raise EditError("op", "no_transcript", "Nothing that the film plays has a transcript.")
    for segments in by_media.values():
        draft.count_words(sum(1 + len(segment["words"]) for _, segment in segments))
    return by_media


def _find_words(
    draft: Draft, segments: Sequence[IndexedSegment], search: Search
) -> list[FoundWord]:
    """Return the matching words of one media file in order, without overlaps.

    Words over which somebody else speaks are left out.
    """
    segments = [(index, segment) for index, segment in segments if not segment["deleted"]]
    matches = search.find_indexes([segment for _, segment in segments])
    if not any(matches):
        return []
    talk = Crosstalk(segments)
    words: list[FoundWord] = []
    for (segment_index, segment), indexes in zip(segments, matches, strict=True):
        edges = draft.word_edges(segment) if indexes else []
        for index in indexes:
            source = edges[index], edges[index + 1]
            if source[0] < source[1] and not talk.is_over(segment_index, source):
                words.append((source, segment_index, index))
    result, reach = [], -1
    for (begin, end), segment_index, index in sorted(words):
        if end > reach:
            result.append(((max(begin, reach), end), segment_index, index))
            reach = end
    return result


def _cut_seen(
    draft: Draft, ranges: Mapping[str, SourceRanges], mode: Mode
) -> dict[RangeIndex, int]:
    """Cut out the ranges that are seen; return them with the time for which they were."""
    playing = find_playing_clips(draft, ranges)
    seen = measure_seen(playing, ranges)
    if seen:
        cut_playing_clips(draft, playing, ranges, mode, only=seen)
    return seen


def _mark_deleted(draft: Draft, words: Iterable[FoundWord]) -> None:
    by_segment: dict[int, list[int]] = {}
    for _, segment_index, index in words:
        by_segment.setdefault(segment_index, []).append(index)
    for segment_index, indexes in by_segment.items():
        segment = draft.segments[segment_index]
        marked = list(segment["words"])
        for index in indexes:
            marked[index] = {**marked[index], "deleted": True}
        draft.segments[segment_index] = {**segment, "words": marked}
