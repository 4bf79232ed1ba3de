"""Fillers, repeats and pauses found in the transcript, and cut out of all clips that play them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, compress
from operator import itemgetter, sub

from projects.timeline.content import EditError, Segment, Word
from projects.timeline.crosstalk import Crosstalk
from projects.timeline.dividing import Span
from projects.timeline.draft import Draft, Removed
from projects.timeline.fillers import Search
from projects.timeline.source_ranges import Place, SourceRanges, cut_played, played, seen_ms

_EDGES = ("start_ms", "end_ms")
Said = Mapping[str, list[tuple[int, Segment]]]
"""By media file, the segments with their indexes in the transcript."""


Found = tuple[Span, int, int]
"""A word's time, the index of its segment in the transcript, and its own in the segment."""


def cut_fillers(draft: Draft, *, op: str, search: Search, mode: str) -> None:
    """Delete the words that are found and played, and cut out what plays them."""
    found = {media: _words(draft, said, search) for media, said in _said(draft).items()}
    stretches = {
        media: SourceRanges((span, draft.segments[place]["id"]) for span, place, _ in words)
        for media, words in found.items()
    }
    seen = _cut_seen(draft, stretches, mode)
    _delete_words(draft, [found[media][place] for media, place in seen])
    draft.removed.append(Removed(op, len(seen), sum(seen.values())))


def cut_silences(draft: Draft, *, op: str, threshold_ms: int, padding_ms: int, mode: str) -> None:
    """Cut longer pauses between words down to what is left on their two sides."""
    longer_ms = max(threshold_ms, 2 * padding_ms)
    stretches = {
        media: SourceRanges(
            ((begin + padding_ms, end - padding_ms), None)
            for begin, end in pauses([segment for _, segment in said], longer_ms)
        )
        for media, said in _said(draft).items()
    }
    seen = _cut_seen(draft, stretches, mode)
    draft.removed.append(Removed(op, len(seen), sum(seen.values())))


def pauses(segments: Sequence[Segment], longer_ms: int) -> list[Span]:
    """The time between the words of one media file in which nobody says any, if it is longer.

    Deleted words are words, and a segment without words is one. Only of what is found are there
    tuples: those of all words would have all that is in memory looked through for garbage.
    """
    starts, ends = ([*chain.from_iterable(_moments(segments, name))] for name in _EDGES)
    order = sorted(range(len(starts)), key=starts.__getitem__)
    starts = [starts[place] for place in order]
    reach = list(accumulate((ends[place] for place in order), max))
    lengths = map(sub, starts[1:], reach)
    found = compress(range(len(reach)), map(longer_ms.__lt__, lengths))
    return [(reach[place], starts[place + 1]) for place in found]


def _moments(segments: Iterable[Segment], name: str) -> Iterator[Iterable[int]]:
    """Where words begin, or end."""
    edge: Callable[[Word | Segment], int] = itemgetter(name)
    for segment in segments:
        yield map(edge, segment["words"]) if segment["words"] else [edge(segment)]


def _said(draft: Draft) -> Said:
    """What is said in media files that the film plays; raises ``EditError`` if nothing is."""
    clips = (clip for lane in draft.lanes for clip in lane.clips.values())
    played = {clip["media_file_id"] for clip in clips if not clip["deleted"]}
    said: dict[str, list[tuple[int, Segment]]] = {}
    for place, segment in enumerate(draft.segments):
        if segment["media_file_id"] in played:
            said.setdefault(segment["media_file_id"], []).append((place, segment))
    if not said:
        raise EditError("op", "no_transcript", "Nothing that the film plays has a transcript.")
    draft.count_words(sum(1 + len(each["words"]) for some in said.values() for _, each in some))
    return said


def _words(draft: Draft, said: Sequence[tuple[int, Segment]], search: Search) -> list[Found]:
    """What is searched for in one media file, in order, but for what somebody else speaks over."""
    said = [(place, segment) for place, segment in said if not segment["deleted"]]
    places = search.places([segment for _, segment in said])
    if not any(places):
        return []
    talk = Crosstalk(said)
    found = [
        (span, place, index)
        for (place, segment), indexes in zip(said, places, strict=True)
        if indexes
        for index, span in _spans(draft, segment, indexes)
        if not talk.is_over(place, span)
    ]
    return _apart(sorted(found))


def _spans(draft: Draft, segment: Segment, indexes: Iterable[int]) -> list[tuple[int, Span]]:
    """The time of words that take any, each with the pause behind it."""
    edges = draft.edges(segment)
    spans = [(index, (edges[index], edges[index + 1])) for index in indexes]
    return [(index, span) for index, span in spans if span[0] < span[1]]


def _apart(found: Iterable[Found]) -> list[Found]:
    """Each from where those before it end; without those of which nothing is left."""
    apart, reach = [], -1
    for (begin, end), place, index in found:
        if end > reach:
            apart.append(((max(begin, reach), end), place, index))
            reach = end
    return apart


def _cut_seen(draft: Draft, stretches: Mapping[str, SourceRanges], mode: str) -> dict[Place, int]:
    """Cut them out; which of them were seen, and for how long."""
    found = played(draft, stretches)
    seen = seen_ms(found, stretches)
    if seen:
        cut_played(draft, found, stretches, mode, only=seen)
    return seen


def _delete_words(draft: Draft, found: Iterable[Found]) -> None:
    indexes: dict[int, set[int]] = {}
    for _, place, index in found:
        indexes.setdefault(place, set()).add(index)
    for place, some in indexes.items():
        segment = draft.segments[place]
        words = list(segment["words"])
        for index in some:
            words[index] = {**words[index], "deleted": True}
        draft.segments[place] = {**segment, "words": words}
