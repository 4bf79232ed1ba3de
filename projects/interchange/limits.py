"""Find what a format cannot hold of a timeline, item by item."""

import re
from collections.abc import Collection, Iterator

from auteur.core.api.problems import Problem
from projects.interchange.building import list_frame_clips
from projects.interchange.terms import MAX_NAMED, Item, build_item
from projects.interchange.times import LEADER_FROM_MS, get_exact_rate, has_timecode, to_frame
from projects.timeline.content import Clip, Document, Track, all_clips, duration_of, end_of

UNIVERSAL_EFFECTS = ("cross_fade",)
"""Effects that the timelines of all editors have."""
ESSENTIAL_EFFECTS = ("speed",)
"""Effects without which a clip would play other pictures than it does."""
ALL_EFFECTS = "effects"
MAX_LEFT_OUT = 20
EFFECT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
TIMECODE_MS = 24 * 3_600_000


class CannotHoldProblem(Problem):
    """Raised if a format, or our timeline, cannot represent everything that it should contain."""

    status_code = 422
    default_code = "cannot_hold"
    default_detail = (
        "The format cannot represent everything on the timeline. `items` lists what it cannot."
    )


def check_format(document: Document, form: str) -> None:
    """Raise ``CannotHoldProblem`` unless the format holds everything that plays.

    The problem lists the effects that can be left out.
    """
    if form == "otio":
        return
    rate = get_exact_rate(document["settings"]["frame_rate"])
    tracks = document["tracks"]
    items = [
        *_list_rate_items(rate),
        *(unsupported for track in tracks for unsupported in _list_clip_items(track, rate)),
    ]
    if form == "cmx3600":
        items += _list_event_items(tracks)
    if items:
        effect_types = {
            effect["type"] for clip in _iterate_live_clips(tracks) for effect in clip["effects"]
        }
        names = sorted(effect_types - {*UNIVERSAL_EFFECTS, *ESSENTIAL_EFFECTS})
        detail = CannotHoldProblem.default_detail
        if names:
            detail += f" `leave_out={','.join(names[:MAX_LEFT_OUT])}` exports it without effects."
        raise CannotHoldProblem(detail, items=items[:MAX_NAMED], can_leave_out=names[:MAX_LEFT_OUT])


def remove_effects(
    tracks: list[Track], names: Collection[str]
) -> tuple[list[Track], dict[str, int]]:
    """Return the tracks without deleted clips and the named effects, and how many were removed."""
    left_out: dict[str, int] = {}
    reduced: list[Track] = []
    for track in tracks:
        live = [_remove_effects(clip, names, left_out) for clip in _iterate_live_clips([track])]
        if deleted_count := len(track["clips"]) - len(live):
            left_out["deleted_clips"] = left_out.get("deleted_clips", 0) + deleted_count
        reduced.append({**track, "clips": live})
    return reduced, dict(sorted(left_out.items()))


def _iterate_live_clips(tracks: list[Track]) -> Iterator[Clip]:
    return (clip for clip in all_clips(tracks) if not clip["deleted"])


def _remove_effects(clip: Clip, names: Collection[str], left_out: dict[str, int]) -> Clip:
    effects = []
    for effect in clip["effects"]:
        kind = effect["type"]
        if kind in (*UNIVERSAL_EFFECTS, *ESSENTIAL_EFFECTS) or not (
            kind in names or ALL_EFFECTS in names
        ):
            effects.append(effect)
        else:
            left_out[kind] = left_out.get(kind, 0) + 1
    return {**clip, "effects": effects}


def parse_names(text: str) -> list[str]:
    """Return the effects that a client leaves out; raise ``ValueError`` for a bad name."""
    names = [name.strip() for name in text.split(",")] if text else []
    if len(names) > MAX_LEFT_OUT:
        raise ValueError(f"At most {MAX_LEFT_OUT} names can be left out. Use `effects` for all.")
    for name in names:
        if not EFFECT_NAME.fullmatch(name) or name in (*UNIVERSAL_EFFECTS, *ESSENTIAL_EFFECTS):
            raise ValueError(
                "Name types of effects except "
                f"{', '.join((*UNIVERSAL_EFFECTS, *ESSENTIAL_EFFECTS))}, or `{ALL_EFFECTS}` for "
                "all of them."
            )
    return names


def _list_rate_items(rate: float) -> Iterator[Item]:
    if not has_timecode(rate):
        yield build_item(
            "frame_rate",
            f"There is no timecode for {rate:g} frames per second. Change the frame rate of the "
            "project.",
        )


def _list_clip_items(track: Track, rate: float) -> Iterator[Item]:
    for placed in list_frame_clips(track["clips"], rate):
        clip = placed.clip
        location = {"track_id": track["id"], "clip_id": clip["id"]}
        for effect in clip["effects"]:
            if effect["type"] not in UNIVERSAL_EFFECTS:
                detail = f"The format has no effect `{effect['type']}`."
                yield build_item("effect", detail, **location, effect=effect["type"])
        if to_frame(end_of(clip), rate) <= to_frame(clip["start_ms"], rate):
            yield build_item("short_clip", "The clip is shorter than a frame.", **location)


def list_playing_tracks(tracks: list[Track]) -> list[Track]:
    """Return the tracks with a clip that is not deleted."""
    return [track for track in tracks if any(_iterate_live_clips([track]))]


def _list_event_items(tracks: list[Track]) -> Iterator[Item]:
    """Yield what CMX 3600 cannot hold: it has one video track and times within a day.

    A reader takes the hour of the first event for the beginning of the film.
    """
    playing_tracks = list_playing_tracks(tracks)
    video = [track for track in playing_tracks if track["type"] == "video"]
    if not video:
        yield build_item("timeline", "No video track has a clip.")
    for track in playing_tracks:
        if track not in video[:1]:
            yield build_item(
                "track", "The format can have one video track only.", track_id=track["id"]
            )
    clips = [*_iterate_live_clips(video[:1])]
    if clips and min(clip["start_ms"] for clip in clips) >= LEADER_FROM_MS:
        yield build_item("timeline", "The first clip must begin within the first 58 minutes.")
    ends = [duration_of(playing_tracks), *(clip["out_point_ms"] for clip in clips)]
    if max(ends) >= TIMECODE_MS:
        yield build_item("timeline", "The timecode of the format ends after 24 hours.")
