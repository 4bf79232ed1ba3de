"""Substitute other media for some that a timeline shows (docs/decisions/0055)."""

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
    """A media file that clips show which are not deleted: the range of it, and on which tracks."""

    media_file_id: str
    in_point_ms: int
    out_point_ms: int
    track_types: set[str] = field(default_factory=set)
    clip_count: int = 0

    @property
    def duration_ms(self) -> int:
        """How long a replacement must last to shorten no clip."""
        return self.out_point_ms - self.in_point_ms


@dataclass(frozen=True)
class Replacement:
    """The file that replaces another; a picture has no ``length_ms``."""

    media_file_id: str
    length_ms: int | None


@dataclass(frozen=True)
class Substitution:
    """The content, and how many clips have other media, are shorter by that, or are left out."""

    content: Content
    filled: int
    shortened: int
    left_out: int


def list_placeholders(tracks: Iterable[Track]) -> dict[str, Placeholder]:
    """Return all placeholders of a timeline by their media, those first that are shown first."""
    playing = [
        (clip["start_ms"], track["type"], clip)
        for track in tracks
        for clip in track["clips"]
        if not clip["deleted"]
    ]
    placeholders: dict[str, Placeholder] = {}
    for _, track_type, clip in sorted(playing, key=lambda item: item[0]):
        name, begin, end = clip["media_file_id"], clip["in_point_ms"], clip["out_point_ms"]
        placeholder = placeholders.setdefault(name, Placeholder(name, begin, end))
        placeholder.in_point_ms = min(placeholder.in_point_ms, begin)
        placeholder.out_point_ms = max(placeholder.out_point_ms, end)
        placeholder.track_types.add(track_type)
        placeholder.clip_count += 1
    return placeholders


def substitute_media(content: Content, fillings: Mapping[str, Replacement]) -> Substitution:
    """Replace the media of placeholders, and leave out their transcript."""
    placeholders = list_placeholders(content.tracks)
    begins = {name: placeholder.in_point_ms for name, placeholder in placeholders.items()}
    tracks = [_fill_track(track, fillings, begins) for track in content.tracks]
    segments = [segment for segment in content.segments if segment["media_file_id"] not in fillings]
    after = {clip["id"]: clip["duration_ms"] for clip in all_clips(tracks)}
    durations = [
        (clip["duration_ms"], after.get(clip["id"]))
        for clip in all_clips(content.tracks)
        if clip["media_file_id"] in fillings and not clip["deleted"]
    ]
    return Substitution(
        Content(tracks, segments, content.captions_style),
        filled=sum(now is not None for _, now in durations),
        shortened=sum(now is not None and now < was for was, now in durations),
        left_out=sum(now is None for _, now in durations),
    )


def _fill_track(
    track: Track, fillings: Mapping[str, Replacement], begins: Mapping[str, int]
) -> Track:
    clips: list[Clip] = []
    for clip in track["clips"]:
        name = clip["media_file_id"]
        if name not in fillings:
            clips.append(clip)
        elif not clip["deleted"]:
            new = _fill_clip(clip, fillings[name], begins[name])
            clips += [new] if new else []
    # A clip that is now shorter than its cross-fade has nothing of its own to show.
    hidden = {index for index, *_ in overlaps_of(clips)}
    return {**track, "clips": [clip for index, clip in enumerate(clips) if index not in hidden]}


def _fill_clip(clip: Clip, filling: Replacement, earliest_ms: int) -> Clip | None:
    """Return the clip with another file from its beginning on; None if that ends before it."""
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
