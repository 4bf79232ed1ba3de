"""Register media files and voices as owners of objects (`media.storage.owners`)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from media.kinds import FILES, VOICES, Kind
from media.models import DerivationStatus, MediaFile, MediaStatus, VoiceClone
from media.storage import StoredObject
from media.storage.checking import MAX_TRIAL_BYTES, ROOM
from media.storage.owners import Column, NotExpectedProblem, Owner, register_object_owner

DERIVING = (DerivationStatus.WAITING, DerivationStatus.WORKING)


def register_all() -> None:
    """Register the owners of this app's objects."""
    register_object_owner(
        Owner(FILES.room, list_media_objects, partial(get_expected_bytes, FILES), MEDIA_COLUMNS)
    )
    # A job's results become media without being moved.
    register_object_owner(Owner("jobs", list_media_objects))
    register_object_owner(
        Owner(VOICES.room, list_voice_objects, partial(get_expected_bytes, VOICES), VOICE_COLUMNS)
    )
    register_object_owner(Owner(ROOM, expects=lambda _key: MAX_TRIAL_BYTES))


def list_media_objects(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    """Return the files of media and their derivatives, including those that are being made."""
    is_named = Q(r2_key__in=[stored.key for stored in objects]) | Q(pk__in=_parse_ids(objects))
    sizes: dict[str, int | None] = {}
    for media in MediaFile.objects.filter(is_named).exclude(status=MediaStatus.REJECTED):
        derived = media.derived_keys()
        keys = {getattr(media, column) for column in derived} - {None, ""}
        if media.derivation_status in DERIVING:
            keys.update(derived.values())
        sizes.update(dict.fromkeys(keys))
        sizes[media.r2_key] = media.file_size_bytes if _is_ready(media) else None
    return sizes


def list_voice_objects(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    """Return the samples of voices."""
    rows = VoiceClone.objects.filter(sample_r2_key__in=[stored.key for stored in objects])
    return {
        voice.sample_r2_key: voice.file_size_bytes if _is_ready(voice) else None
        for voice in rows.exclude(status=MediaStatus.REJECTED)
    }


def get_expected_bytes(kind: Kind[Any], key: str) -> int | None:
    """Return the declared size of an upload, or the limit of one without a declared size."""
    rows = kind.model._default_manager.filter(**{kind.model.KEY: key})
    row = rows.select_for_update(no_key=True).first()
    if row is None:
        return None
    if row.status != MediaStatus.UPLOADING:
        raise NotExpectedProblem
    return kind.max_unsized_bytes() if row.file_size_bytes is None else int(row.file_size_bytes)


def _is_ready(row: MediaFile | VoiceClone) -> bool:
    return row.status == MediaStatus.READY


def _parse_ids(objects: Sequence[StoredObject]) -> set[UUID]:
    """Return the ids in keys such as ``users/1/media/<id>/thumbnail.jpg``."""
    ids = set()
    for stored in objects:
        try:
            ids.add(UUID(stored.key.split("/")[3]))
        except ValueError:
            continue
    return ids


def _filter_ready_media() -> QuerySet[MediaFile]:
    return MediaFile.objects.filter(status=MediaStatus.READY)


MEDIA_COLUMNS = (
    Column(_filter_ready_media, "r2_key"),
    Column(_filter_ready_media, "thumbnail_r2_key"),
    Column(_filter_ready_media, "sprite_r2_key"),
    Column(_filter_ready_media, "peaks_r2_key"),
)
VOICE_COLUMNS = (
    Column(lambda: VoiceClone.objects.filter(status=MediaStatus.READY), "sample_r2_key"),
)
