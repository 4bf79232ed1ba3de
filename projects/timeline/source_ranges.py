"""Stretches of media files, cut out of all clips that play them, on every track."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Mapping

from projects.documents import MAX_FOUND_CUTS
from projects.timeline.content import Clip, EditError, on_timeline, speed_permille
from projects.timeline.cutting import Stretch, cut, hides
from projects.timeline.draft import Draft
from projects.timeline.track_editor import TrackEditor


class SourceRanges:
    """Of one media file, in the order of time, none over another."""

    def __init__(self, found: Iterable[Stretch]) -> None:
        self.all = list(found)
        self._begins = [span[0] for span, _ in self.all]
        self._ends = [span[1] for span, _ in self.all]

    def places(self, clip: Clip) -> range:
        """Which of them a clip plays, if it plays this file."""
        begin, end = clip["in_point_ms"], clip["out_point_ms"]
        if not self.all or end <= self._begins[0] or begin >= self._ends[-1]:
            return range(0)
        return range(bisect_right(self._ends, begin), bisect_left(self._begins, end))


ByMedia = Mapping[str, SourceRanges]
Place = tuple[str, int]
"""A media file, and which of its stretches."""
Played = list[tuple[TrackEditor, dict[int, range]]]
"""Of each track the clips that play any, or would but for their neighbours: places of which."""


def played(draft: Draft, stretches: ByMedia) -> Played:
    """What plays them; one look at each clip."""
    return [(lane, _playing(lane, stretches)) for lane in draft.lanes]


def cut_out(draft: Draft, stretches: ByMedia, mode: str) -> None:
    """Cut them out of all that plays them; raises ``EditError``."""
    cut_played(draft, played(draft, stretches), stretches, mode)


def cut_played(
    draft: Draft,
    found: Played,
    stretches: ByMedia,
    mode: str,
    only: Container[Place] | None = None,
) -> None:
    """Cut them, or ``only`` some, out of the clips that were found; raises ``EditError``."""
    draft.count_cuts(_cuts(found))
    for lane, by_key in found:
        for key, places in by_key.items():
            if key in lane.clips:
                media = lane.clips[key]["media_file_id"]
                wanted = [one for one in places if only is None or (media, one) in only]
                some = [stretches[media].all[one] for one in wanted]
                cut(lane, key, some, mode=mode)
                draft.check_clips()


def _cuts(found: Played) -> int:
    return sum(len(places) for _, by_key in found for places in by_key.values())


def _playing(lane: TrackEditor, stretches: ByMedia) -> dict[int, range]:
    found = {}
    for key in lane.order:
        clip = lane.clips[key]
        some = stretches.get(clip["media_file_id"])
        places = some.places(clip) if some else None
        if places and (not clip["deleted"] or hides(clip)):
            found[key] = places
    return found


def seen_ms(found: Played, stretches: ByMedia) -> dict[Place, int]:
    """For how long each is seen that is seen: on the track that plays most of it.

    Raises ``EditError`` where so many clips play them that they cannot be cut as one operation.
    """
    if _cuts(found) > MAX_FOUND_CUTS:
        raise EditError(
            "op", "too_many_cuts", f"One operation finds at most {MAX_FOUND_CUTS} cuts to make."
        )
    most: Counter[Place] = Counter()
    for lane, by_key in found:
        clips = [(lane.clips[key], places) for key, places in by_key.items()]
        most |= _seen_ms(clips, stretches)
    return dict(most)


def _seen_ms(clips: Iterable[tuple[Clip, range]], stretches: ByMedia) -> Counter[Place]:
    seen: Counter[Place] = Counter()
    for clip, places in clips:
        media, permille = clip["media_file_id"], speed_permille(clip["effects"])
        for place in () if clip["deleted"] else places:
            begin, end = stretches[media].all[place][0]
            source_ms = min(end, clip["out_point_ms"]) - max(begin, clip["in_point_ms"])
            seen[media, place] += on_timeline(source_ms, permille)
    return seen
