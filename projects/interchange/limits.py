"""What of a timeline a format cannot hold, named one by one."""

from collections.abc import Iterator, Mapping
from typing import Any

from opentimelineio.opentime import RationalTime

from auteur.api.problems import Problem
from projects.interchange.building import placed_clips
from projects.interchange.terms import MAX_NAMED, Item, item
from projects.interchange.times import exact_rate, frame_of
from projects.timeline.content import Clip, Track, duration_of, end_of

HOUR_MS = 3_600_000
TIMECODE_MS = 24 * HOUR_MS


class CannotHold(Problem):
    """A format, or our timeline, has no place for some of what it is asked to hold."""

    status_code = 422
    default_code = "cannot_hold"
    default_detail = "The format cannot hold all of the timeline: `items` names what."


def check(document: Mapping[str, Any], form: str) -> None:
    """Raise ``CannotHold`` unless the format holds all that plays."""
    if form == "otio":
        return
    rate = exact_rate(document["settings"]["frame_rate"])
    tracks = document["tracks"]
    items = [*_of_rate(rate), *(each for track in tracks for each in _of_clips(track, rate))]
    if form == "cmx3600":
        items += _of_events(tracks)
    if items:
        raise CannotHold(items=items[:MAX_NAMED])


def _of_rate(rate: float) -> Iterator[Item]:
    if not RationalTime.is_smpte_timecode_rate(rate):
        yield item("frame_rate", f"There is no timecode of {rate:g} frames a second.")


def _of_clips(track: Track, rate: float) -> Iterator[Item]:
    for placed in placed_clips(track["clips"], rate):
        clip = placed.clip
        where = {"track_id": track["id"], "clip_id": clip["id"]}
        for effect in clip["effects"]:
            if effect["type"] != "cross_fade":
                yield item("effect", f"It holds no effect `{effect['type']}`.", **where)
        if _frames(clip, rate) < 1:
            yield item("short_clip", "The clip is shorter than a frame.", **where)


def _frames(clip: Clip, rate: float) -> int:
    return frame_of(end_of(clip), rate) - frame_of(clip["start_ms"], rate)


def playing(tracks: list[Track]) -> list[Track]:
    """The tracks with a clip that is not deleted."""
    return [track for track in tracks if any(not clip["deleted"] for clip in track["clips"])]


def _of_events(tracks: list[Track]) -> Iterator[Item]:
    """CMX 3600 has one video track and times of a day; the first hour tells where it begins."""
    filled = playing(tracks)
    video = [track for track in filled if track["type"] == "video"]
    if not video:
        yield item("timeline", "There is no clip on a video track.")
    for track in filled:
        if track not in video[:1]:
            yield item("track", "It holds one video track only.", track_id=track["id"])
    clips = [clip for track in video[:1] for clip in track["clips"] if not clip["deleted"]]
    if clips and min(clip["start_ms"] for clip in clips) >= HOUR_MS:
        yield item("timeline", "Its first clip must begin within the first hour.")
    ends = [duration_of(filled), *(clip["out_point_ms"] for clip in clips)]
    if max(ends) >= TIMECODE_MS:
        yield item("timeline", "Its timecode ends after 24 hours.")
