"""The media that clips show: the user's own, ready, of the track's kind, and long enough.

Clips of media that was deleted later are marked as ``offline``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from uuid import UUID

from django.db import transaction

from auteur.core.database import execute
from media.access import list_media
from media.models import MediaFile, MediaStatus, MediaType
from projects.timeline.clip_diff import ClipDiff, PlacedClip
from projects.timeline.content import Clip, Content, Track, all_clips, share_unchanged, without
from projects.timeline.rules import Error, raise_errors

TYPES_ON_TRACK = {
    "video": {MediaType.VIDEO, MediaType.IMAGE},
    "audio": {MediaType.VIDEO, MediaType.AUDIO},
}

UNKNOWN_MEDIA = "unknown_media", "You have no such media file, ready."

HOLD = """
SELECT id FROM media_files WHERE user_id = %(user_id)s AND id = ANY(%(media_ids)s::uuid[])
ORDER BY id FOR SHARE"""
"""A concurrent deletion of the media waits, and then finds the clips that show it."""


def check_sources(*, user_id: UUID, before: Content, after: Content, diff: ClipDiff) -> None:
    """Check the media of clips that show more than was shown before; raise a 400."""
    replaced = _measure_shown((before.tracks[index], clip) for index, _, clip in diff.removed)
    new = _list_beyond(after, diff.added, replaced)
    if new:  # Than the clips that they replace; other clips may have shown as much.
        shown_ms = _measure_shown(
            (track, clip) for track in before.tracks for clip in track["clips"]
        )
        new = _list_beyond(after, new, shown_ms)
    if new:
        raise_errors(_find_errors(user_id, after, new))


@contextmanager
def lock_media_of(
    *, user_id: UUID, before: Content, after: Content, diff: ClipDiff
) -> Iterator[Content]:
    """Yield the content with correct marks on the clips that have changed.

    Media that it begins to show cannot be deleted until the block ends; by then its clips are
    written. What is there without a mark needs no check, since deleting makes a new version.
    """
    changed = {clip["media_file_id"] for _, _, clip in diff.added}
    new = changed - _unmarked_media(clip for _, _, clip in diff.removed)
    if new:
        new -= _unmarked_media(all_clips(before.tracks))
    with transaction.atomic() if new else nullcontext():
        deleted = new
        if new:
            rows = execute(HOLD, {"user_id": user_id, "media_ids": sorted(new)})
            deleted = new - {str(media_id) for (media_id,) in rows}
        yield mark_clips(after, decided=changed, deleted=deleted)


def _unmarked_media(clips: Iterable[Clip]) -> set[str]:
    return {clip["media_file_id"] for clip in clips if not clip.get("offline")}


def mark_clips(content: Content, *, decided: Collection[str], deleted: Collection[str]) -> Content:
    """Return the content with the clips of the ``decided`` media marked if that is ``deleted``."""
    tracks: list[Track] = []
    for track in content.tracks:
        clips = list(track["clips"])
        for index, clip in enumerate(track["clips"]):
            if (deleted or "offline" in clip) and clip["media_file_id"] in decided:
                clips[index] = _mark_clip(clip, clip["media_file_id"] in deleted)
        clips = share_unchanged(clips, track["clips"])
        tracks.append(track if clips is track["clips"] else {**track, "clips": clips})
    tracks = share_unchanged(tracks, content.tracks)
    return content if tracks is content.tracks else content.with_tracks(tracks)


def _mark_clip(clip: Clip, is_offline: bool) -> Clip:
    if clip.get("offline", False) == is_offline:
        return clip
    unmarked = without(clip, "offline")
    return {**unmarked, "offline": True} if is_offline else unmarked


def _measure_shown(clips: Iterable[tuple[Track, Clip]]) -> dict[tuple[str, str], int]:
    """Return how much clips show of each media file, by its id and the kind of track."""
    shown_ms: dict[tuple[str, str], int] = {}
    for track, clip in clips:
        key = (clip["media_file_id"], track["type"])
        if clip["out_point_ms"] > shown_ms.get(key, -1):
            shown_ms[key] = clip["out_point_ms"]
    return shown_ms


def _list_beyond(
    after: Content, clips: Iterable[PlacedClip], shown_ms: Mapping[tuple[str, str], int]
) -> list[PlacedClip]:
    return [
        (index, clip_index, clip)
        for index, clip_index, clip in clips
        if clip["out_point_ms"]
        > shown_ms.get((clip["media_file_id"], after.tracks[index]["type"]), -1)
    ]


def _find_errors(user_id: UUID, content: Content, clips: list[PlacedClip]) -> Iterator[Error]:
    media_by_id = find_media_files(user_id, {clip["media_file_id"] for _, _, clip in clips})
    for index, clip_index, clip in clips:
        path, kind = f"tracks.{index}.clips.{clip_index}", content.tracks[index]["type"]
        media = media_by_id.get(clip["media_file_id"])
        if media is None:
            yield f"{path}.media_file_id", *UNKNOWN_MEDIA
        elif media.type not in TYPES_ON_TRACK[kind]:
            yield f"{path}.media_file_id", "media_type", f"This is no file for {kind} tracks."
        elif (
            media.type != MediaType.IMAGE
            and media.duration_ms is not None
            and clip["out_point_ms"] > media.duration_ms
        ):
            detail = f"The media file lasts {media.duration_ms} ms."
            yield f"{path}.out_point_ms", "beyond_media", detail


def read_lengths(*, user_id: UUID, media_ids: Collection[str]) -> dict[str, int | None]:
    """Return how long those of the media last that are the user's and ready, in ms.

    A picture has None.
    """
    if not media_ids:
        return {}
    return {
        media_id: None if media.type == MediaType.IMAGE else media.duration_ms
        for media_id, media in find_media_files(user_id, media_ids).items()
    }


def find_media_files(user_id: UUID, media_ids: Collection[str]) -> dict[str, MediaFile]:
    """Return those of the media that are the user's and ready, with type, length and name."""
    rows = list_media(user_id=user_id).filter(pk__in=media_ids, status=MediaStatus.READY)
    return {str(media.pk): media for media in rows.only("pk", "type", "duration_ms", "name")}
