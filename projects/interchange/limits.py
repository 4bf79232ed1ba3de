"""What of a timeline a format cannot hold, named one by one."""

import re
from collections.abc import Collection, Iterator

from auteur.api.problems import Problem
from projects.interchange.building import placed_clips
from projects.interchange.terms import MAX_NAMED, Item, item
from projects.interchange.times import LEADER_FROM_MS, exact_rate, frame_of, has_timecode
from projects.timeline.content import Clip, Document, Track, all_clips, duration_of, end_of

HELD = ("cross_fade",)
"""Effects that the timelines of all editors have."""
INDISPENSABLE = ("speed",)
"""Effects without which a clip would play other pictures than it does."""
ALL_EFFECTS = "effects"
MAX_LEFT_OUT = 20
EFFECT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
TIMECODE_MS = 24 * 3_600_000


class CannotHoldProblem(Problem):
    """A format, or our timeline, has no place for some of what it is asked to hold."""

    status_code = 422
    default_code = "cannot_hold"
    default_detail = (
        "The format cannot represent everything on the timeline. `items` lists what it cannot."
    )


def check(document: Document, form: str) -> None:
    """Raise ``CannotHoldProblem`` unless the format holds all that plays.

    It tells which effects can be left out.
    """
    if form == "otio":
        return
    rate = exact_rate(document["settings"]["frame_rate"])
    tracks = document["tracks"]
    items = [*_of_rate(rate), *(each for track in tracks for each in _of_clips(track, rate))]
    if form == "cmx3600":
        items += _of_events(tracks)
    if items:
        found = {effect["type"] for clip in _live(tracks) for effect in clip["effects"]}
        names = sorted(found - {*HELD, *INDISPENSABLE})
        detail = CannotHoldProblem.default_detail
        if names:
            detail += f" `leave_out={','.join(names[:MAX_LEFT_OUT])}` exports it without effects."
        raise CannotHoldProblem(detail, items=items[:MAX_NAMED], can_leave_out=names[:MAX_LEFT_OUT])


def without(tracks: list[Track], names: Collection[str]) -> tuple[list[Track], dict[str, int]]:
    """The tracks without deleted clips and these effects; of each, how many there were."""
    left_out: dict[str, int] = {}
    held: list[Track] = []
    for track in tracks:
        live = [_clip_without(clip, names, left_out) for clip in _live([track])]
        if gone := len(track["clips"]) - len(live):
            left_out["deleted_clips"] = left_out.get("deleted_clips", 0) + gone
        held.append({**track, "clips": live})
    return held, dict(sorted(left_out.items()))


def _live(tracks: list[Track]) -> Iterator[Clip]:
    return (clip for clip in all_clips(tracks) if not clip["deleted"])


def _clip_without(clip: Clip, names: Collection[str], left_out: dict[str, int]) -> Clip:
    held = []
    for effect in clip["effects"]:
        kind = effect["type"]
        if kind in (*HELD, *INDISPENSABLE) or not (kind in names or ALL_EFFECTS in names):
            held.append(effect)
        else:
            left_out[kind] = left_out.get(kind, 0) + 1
    return {**clip, "effects": held}


def parse_names(text: str) -> list[str]:
    """What a client wants left out; raises ``ValueError`` for what is no such thing."""
    names = [name.strip() for name in text.split(",")] if text else []
    if len(names) > MAX_LEFT_OUT:
        raise ValueError(f"At most {MAX_LEFT_OUT} names.")
    for name in names:
        if not EFFECT_NAME.fullmatch(name) or name in (*HELD, *INDISPENSABLE):
            raise ValueError(
                f"Types of effects but {', '.join((*HELD, *INDISPENSABLE))}, or "
                f"`{ALL_EFFECTS}` for all of them."
            )
    return names


def _of_rate(rate: float) -> Iterator[Item]:
    if not has_timecode(rate):
        yield item("frame_rate", f"There is no timecode of {rate:g} frames a second.")


def _of_clips(track: Track, rate: float) -> Iterator[Item]:
    for placed in placed_clips(track["clips"], rate):
        clip = placed.clip
        where = {"track_id": track["id"], "clip_id": clip["id"]}
        for effect in clip["effects"]:
            if effect["type"] not in HELD:
                detail = f"It holds no effect `{effect['type']}`."
                yield item("effect", detail, **where, effect=effect["type"])
        if _frames(clip, rate) < 1:
            yield item("short_clip", "The clip is shorter than a frame.", **where)


def _frames(clip: Clip, rate: float) -> int:
    return frame_of(end_of(clip), rate) - frame_of(clip["start_ms"], rate)


def playing(tracks: list[Track]) -> list[Track]:
    """The tracks with a clip that is not deleted."""
    return [track for track in tracks if any(_live([track]))]


def _of_events(tracks: list[Track]) -> Iterator[Item]:
    """CMX 3600 has one video track and times of a day; the first hour tells where it begins."""
    filled = playing(tracks)
    video = [track for track in filled if track["type"] == "video"]
    if not video:
        yield item("timeline", "There is no clip on a video track.")
    for track in filled:
        if track not in video[:1]:
            yield item("track", "It holds one video track only.", track_id=track["id"])
    clips = [*_live(video[:1])]
    if clips and min(clip["start_ms"] for clip in clips) >= LEADER_FROM_MS:
        yield item("timeline", "Its first clip must begin within the first 58 minutes.")
    ends = [duration_of(filled), *(clip["out_point_ms"] for clip in clips)]
    if max(ends) >= TIMECODE_MS:
        yield item("timeline", "Its timecode ends after 24 hours.")
