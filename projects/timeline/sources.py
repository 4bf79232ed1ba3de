"""The media that clips show: the user's own, ready, of the track's kind, and long enough.

Clips of media that has been deleted since are marked as ``offline``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from operator import is_
from uuid import UUID

from django.db import transaction

from auteur.core.database import execute
from media.access import list_media
from media.models import MediaFile, MediaStatus, MediaType
from projects.timeline.clip_diff import ClipDiff, Placed
from projects.timeline.content import Clip, Content, Track, all_clips, without
from projects.timeline.rules import Error, raise_errors

TYPES_ON_TRACK = {
    "video": {MediaType.VIDEO, MediaType.IMAGE},
    "audio": {MediaType.VIDEO, MediaType.AUDIO},
}

UNKNOWN_MEDIA = "unknown_media", "You have no such media file, ready."

HOLD = """
SELECT id FROM media_files WHERE user_id = %(user_id)s AND id = ANY(%(media_ids)s::uuid[])
ORDER BY id FOR SHARE"""
"""Whoever wants to delete the media now waits, and then finds the clips that show it."""


def check_sources(*, user_id: UUID, before: Content, after: Content, touched: ClipDiff) -> None:
    """Look at the media of clips that show more than was shown before; raises a 400."""
    gone = _shown((before.tracks[index], clip) for index, _, clip in touched.gone)
    new = _beyond_shown(after, touched.come, gone)
    if new:  # than the clips in whose place they are; perhaps others have shown it
        shown = _shown((track, clip) for track in before.tracks for clip in track["clips"])
        new = _beyond_shown(after, new, shown)
    if new:
        raise_errors(_errors(user_id, after, new))


@contextmanager
def lock_media_of(
    *, user_id: UUID, before: Content, after: Content, touched: ClipDiff
) -> Iterator[Content]:
    """The content with honest marks on the clips that are not as they were before.

    Media that comes in cannot be deleted until the block ends, so that its clips are written by
    then. What is there without a mark needs no look: deleting makes a new version.
    """
    changed = {clip["media_file_id"] for _, _, clip in touched.come}
    asked = changed - _present(clip for _, _, clip in touched.gone)
    if asked:
        asked -= _present(all_clips(before.tracks))
    with transaction.atomic() if asked else nullcontext():
        yield with_marks(after, decided=changed, gone=asked - _hold(user_id, asked))


def _present(clips: Iterable[Clip]) -> set[str]:
    """The media of those without a mark."""
    return {clip["media_file_id"] for clip in clips if not clip.get("offline")}


def with_marks(content: Content, *, decided: Collection[str], gone: Collection[str]) -> Content:
    """The content with the clips of the ``decided`` media marked where it is ``gone``."""
    tracks = [_with_marks(track, decided, gone) for track in content.tracks]
    same = all(new is old for new, old in zip(tracks, content.tracks, strict=True))
    return content if same else content.with_tracks(tracks)


def _with_marks(track: Track, decided: Collection[str], gone: Collection[str]) -> Track:
    clips = list(track["clips"])
    for place, clip in enumerate(track["clips"]):
        if (gone or "offline" in clip) and clip["media_file_id"] in decided:
            clips[place] = _with_mark(clip, clip["media_file_id"] in gone)
    return track if all(map(is_, clips, track["clips"])) else {**track, "clips": clips}


def _with_mark(clip: Clip, offline: bool) -> Clip:
    if clip.get("offline", False) == offline:
        return clip
    unmarked = without(clip, "offline")
    return {**unmarked, "offline": True} if offline else unmarked


def _hold(user_id: UUID, media_ids: Collection[str]) -> set[str]:
    if not media_ids:
        return set()
    rows = execute(HOLD, {"user_id": user_id, "media_ids": sorted(media_ids)})
    return {str(media_id) for (media_id,) in rows}


def _shown(clips: Iterable[tuple[Track, Clip]]) -> dict[tuple[str, str], int]:
    """How much of each media file these show, by its id and the kind of track."""
    shown: dict[tuple[str, str], int] = {}
    for track, clip in clips:
        key = (clip["media_file_id"], track["type"])
        if clip["out_point_ms"] > shown.get(key, -1):
            shown[key] = clip["out_point_ms"]
    return shown


def _beyond_shown(
    after: Content, clips: Iterable[Placed], shown: Mapping[tuple[str, str], int]
) -> list[Placed]:
    return [
        (index, place, clip)
        for index, place, clip in clips
        if clip["out_point_ms"]
        > shown.get((clip["media_file_id"], after.tracks[index]["type"]), -1)
    ]


def _errors(user_id: UUID, content: Content, clips: list[Placed]) -> Iterator[Error]:
    found = find_media_files(user_id, {clip["media_file_id"] for _, _, clip in clips})
    for index, at, clip in clips:
        place, kind = f"tracks.{index}.clips.{at}", content.tracks[index]["type"]
        media = found.get(clip["media_file_id"])
        if media is None:
            yield f"{place}.media_file_id", *UNKNOWN_MEDIA
        elif media.type not in TYPES_ON_TRACK[kind]:
            yield f"{place}.media_file_id", "media_type", f"This is no file for {kind} tracks."
        elif _beyond(clip, media):
            yield f"{place}.out_point_ms", "beyond_media", _ends(media)


def lengths(*, user_id: UUID, media_ids: Collection[str]) -> dict[str, int | None]:
    """How long those of the media last that are the user's and ready, in ms; None: a picture."""
    if not media_ids:
        return {}
    found = find_media_files(user_id, media_ids)
    return {
        media_id: None if media.type == MediaType.IMAGE else media.duration_ms
        for media_id, media in found.items()
    }


def find_media_files(user_id: UUID, media_ids: Collection[str]) -> dict[str, MediaFile]:
    """Those of the media that are the user's and ready, with type, length and name."""
    rows = list_media(user_id=user_id).filter(pk__in=media_ids, status=MediaStatus.READY)
    return {str(media.pk): media for media in rows.only("pk", "type", "duration_ms", "name")}


def _ends(media: MediaFile) -> str:
    return f"The media file lasts {media.duration_ms} ms."


def _beyond(clip: Clip, media: MediaFile) -> bool:
    if media.type == MediaType.IMAGE or media.duration_ms is None:
        return False
    return clip["out_point_ms"] > media.duration_ms
