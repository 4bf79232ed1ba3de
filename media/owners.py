"""Which objects media files and voices name, and which of them wait for bytes."""

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
    """Register the owners of objects in `media.storage.owners`."""
    register_object_owner(
        Owner(FILES.room, names_of_media, partial(expected_of, FILES), MEDIA_COLUMNS)
    )
    # What a job made is media where it lies.
    register_object_owner(Owner("jobs", names_of_media))
    register_object_owner(
        Owner(VOICES.room, names_of_voices, partial(expected_of, VOICES), VOICE_COLUMNS)
    )
    register_object_owner(Owner(ROOM, expects=lambda _key: MAX_TRIAL_BYTES))


def names_of_media(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    """The files of media, and what is derived, or may just be being derived, of them."""
    named = Q(r2_key__in=[one.key for one in objects]) | Q(pk__in=_ids(objects))
    found: dict[str, int | None] = {}
    for media in MediaFile.objects.filter(named).exclude(status=MediaStatus.REJECTED):
        derived = media.derived_keys()
        stored = {getattr(media, column) for column in derived} - {None, ""}
        if media.derivation_status in DERIVING:
            stored.update(derived.values())
        found.update(dict.fromkeys(stored))
        found[media.r2_key] = media.file_size_bytes if _ready(media) else None
    return found


def names_of_voices(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    """The samples of voices."""
    rows = VoiceClone.objects.filter(sample_r2_key__in=[one.key for one in objects])
    return {
        voice.sample_r2_key: voice.file_size_bytes if _ready(voice) else None
        for voice in rows.exclude(status=MediaStatus.REJECTED)
    }


def expected_of(kind: Kind[Any], key: str) -> int | None:
    """What an upload was announced with, or the most that one without a size may have."""
    rows = kind.model._default_manager.filter(**{kind.model.KEY: key})
    row = rows.select_for_update(no_key=True).first()
    if row is None:
        return None
    if row.status != MediaStatus.UPLOADING:
        raise NotExpectedProblem
    return kind.max_unsized_bytes() if row.file_size_bytes is None else int(row.file_size_bytes)


def _ready(row: MediaFile | VoiceClone) -> bool:
    return row.status == MediaStatus.READY


def _ids(objects: Sequence[StoredObject]) -> set[UUID]:
    """The ids in keys such as ``users/1/media/<id>/thumbnail.jpg``."""
    ids = set()
    for one in objects:
        try:
            ids.add(UUID(one.key.split("/")[3]))
        except ValueError:
            continue
    return ids


def _ready_media() -> QuerySet[MediaFile]:
    return MediaFile.objects.filter(status=MediaStatus.READY)


MEDIA_COLUMNS = (
    Column(_ready_media, "r2_key"),
    Column(_ready_media, "thumbnail_r2_key"),
    Column(_ready_media, "sprite_r2_key"),
    Column(_ready_media, "peaks_r2_key"),
)
VOICE_COLUMNS = (
    Column(lambda: VoiceClone.objects.filter(status=MediaStatus.READY), "sample_r2_key"),
)
