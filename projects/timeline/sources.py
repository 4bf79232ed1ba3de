"""The media that clips show: the user's own, ready, of the track's kind, and long enough."""

from collections.abc import Iterator
from uuid import UUID

from media.access import media_of
from media.models import MediaFile, MediaStatus, MediaType
from projects.timeline.content import Clip, Content, Track
from projects.timeline.rules import Error, refuse

TYPES_ON_TRACK = {
    "video": {MediaType.VIDEO, MediaType.IMAGE},
    "audio": {MediaType.VIDEO, MediaType.AUDIO},
}

Source = tuple[str, str]
"""A media file on a kind of track."""


def check(*, user_id: UUID, before: Content, after: Content) -> None:
    """Look at the media of clips that show more than was shown before; raises a 400."""
    if after.tracks is before.tracks:
        return
    known = _shown(before.tracks)
    old = {id(clip) for track in before.tracks for clip in track["clips"]}
    new = [
        (f"tracks.{index}.clips.{place}", track["type"], clip)
        for index, track in enumerate(after.tracks)
        for place, clip in enumerate(track["clips"])
        if id(clip) not in old
        and clip["out_point_ms"] > known.get((clip["media_file_id"], track["type"]), -1)
    ]
    if new:
        refuse(_errors(user_id, new))


def _shown(tracks: list[Track]) -> dict[Source, int]:
    """How much of each media is shown already."""
    shown: dict[Source, int] = {}
    for track in tracks:
        for clip in track["clips"]:
            source = (clip["media_file_id"], track["type"])
            shown[source] = max(shown.get(source, 0), clip["out_point_ms"])
    return shown


def _errors(user_id: UUID, clips: list[tuple[str, str, Clip]]) -> Iterator[Error]:
    ids = {clip["media_file_id"] for _, _, clip in clips}
    rows = media_of(user_id=user_id).filter(pk__in=ids, status=MediaStatus.READY)
    files = {str(media.pk): media for media in rows.only("pk", "type", "duration_ms")}
    for place, kind, clip in clips:
        media = files.get(clip["media_file_id"])
        if media is None:
            yield f"{place}.media_file_id", "unknown_media", "You have no such media file, ready."
        elif media.type not in TYPES_ON_TRACK[kind]:
            yield f"{place}.media_file_id", "media_type", f"This is no file for {kind} tracks."
        elif _beyond(clip, media):
            yield f"{place}.out_point_ms", "beyond_media", "The media file ends before that."


def _beyond(clip: Clip, media: MediaFile) -> bool:
    if media.type == MediaType.IMAGE or media.duration_ms is None:
        return False
    return bool(clip["out_point_ms"] > media.duration_ms)
