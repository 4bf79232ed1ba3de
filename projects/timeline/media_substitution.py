"""Other media in the place of some that a timeline shows (docs/decisions/0055)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from projects.documents import MIN_CLIP_MS
from projects.timeline.content import (
    Clip,
    Content,
    Track,
    all_clips,
    on_timeline,
    speed_permille,
    without,
)
from projects.timeline.rules import overlaps_of


@dataclass
class Placeholder:
    """A media file that clips show which are not deleted: which stretch of it, on which tracks."""

    media_file_id: str
    in_point_ms: int
    out_point_ms: int
    track_types: set[str] = field(default_factory=set)
    clip_count: int = 0

    @property
    def duration_ms(self) -> int:
        """How much a file in its place must last to shorten no clip."""
        return self.out_point_ms - self.in_point_ms


@dataclass(frozen=True)
class Replacement:
    """What takes the place; a picture has no ``length_ms``."""

    media_file_id: str
    length_ms: int | None


@dataclass(frozen=True)
class Substitution:
    """The content, and how many clips have other media, are shorter by that, or are gone."""

    content: Content
    filled: int
    shortened: int
    left_out: int


def list_placeholders(tracks: Iterable[Track]) -> dict[str, Placeholder]:
    """All of a timeline by their media, those first that are shown first."""
    live = [
        (clip["start_ms"], track["type"], clip)
        for track in tracks
        for clip in track["clips"]
        if not clip["deleted"]
    ]
    found: dict[str, Placeholder] = {}
    for _, track_type, clip in sorted(live, key=lambda each: each[0]):
        name, begin, end = clip["media_file_id"], clip["in_point_ms"], clip["out_point_ms"]
        shown = found.setdefault(name, Placeholder(name, begin, end))
        shown.in_point_ms = min(shown.in_point_ms, begin)
        shown.out_point_ms = max(shown.out_point_ms, end)
        shown.track_types.add(track_type)
        shown.clip_count += 1
    return found


def substitute_media(content: Content, fillings: Mapping[str, Replacement]) -> Substitution:
    """The content with media of placeholders replaced, and without what was said in them."""
    begins = {name: shown.in_point_ms for name, shown in list_placeholders(content.tracks).items()}
    tracks = [_filled_track(track, fillings, begins) for track in content.tracks]
    segments = [each for each in content.segments if each["media_file_id"] not in fillings]
    after = {clip["id"]: clip["duration_ms"] for clip in all_clips(tracks)}
    replaced = [
        (clip["duration_ms"], after.get(clip["id"]))
        for clip in all_clips(content.tracks)
        if clip["media_file_id"] in fillings and not clip["deleted"]
    ]
    return Substitution(
        Content(tracks, segments, content.captions_style),
        filled=sum(now is not None for _, now in replaced),
        shortened=sum(now is not None and now < was for was, now in replaced),
        left_out=sum(now is None for _, now in replaced),
    )


def _filled_track(
    track: Track, fillings: Mapping[str, Replacement], begins: Mapping[str, int]
) -> Track:
    clips: list[Clip] = []
    for clip in track["clips"]:
        name = clip["media_file_id"]
        if name not in fillings:
            clips.append(clip)
        elif not clip["deleted"]:
            new = _filled(clip, fillings[name], begins[name])
            clips += [new] if new else []
    # One that is now shorter than it dissolves has nothing left of its own.
    hidden = {index for index, *_ in overlaps_of(clips)}
    return {**track, "clips": [clip for at, clip in enumerate(clips) if at not in hidden]}


def _filled(clip: Clip, filling: Replacement, earliest_ms: int) -> Clip | None:
    """The clip with another file from its beginning on; None where that has ended by then."""
    begin, end = clip["in_point_ms"] - earliest_ms, clip["out_point_ms"] - earliest_ms
    duration = clip["duration_ms"]
    if filling.length_ms is not None and filling.length_ms < end:
        end = filling.length_ms
        duration = on_timeline(max(0, end - begin), speed_permille(clip["effects"]))
    if duration < MIN_CLIP_MS:
        return None
    return {
        **without(clip, "cut", "offline"),
        "media_file_id": filling.media_file_id,
        "in_point_ms": begin,
        "out_point_ms": end,
        "duration_ms": duration,
    }
