"""Register media, voices, consents and their objects as personal data."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any
from uuid import UUID

from auteur.core.personal_data import (
    Listing,
    PersonalDataSource,
    Steps,
    StoredFile,
    delete_in_batches,
    iterate_pages,
    list_rows,
    register_source,
)
from media.consents.models import Consent, Removal
from media.deletion import delete_media
from media.file_names import make_portable
from media.models import MediaFile, MediaImport, MediaStatus, Upload, VoiceClone
from media.orphans import PAGE_SIZE
from media.storage import object_storage
from media.voices.uploads import delete_voice

INTERNAL = {"upload_id", "check_at", "check_claim", "check_tries"}
INTERNAL_FILE_COLUMNS = {*INTERNAL, "r2_url", "derivation_claim", "derivation_tries", "derive_at"}


def register_personal_data() -> None:
    """Register the source; call this once, when Django is ready."""
    register_source(
        PersonalDataSource(
            app="media",
            owners={
                "media.MediaFile": "user",
                "media.MediaImport": "user",
                "media.VoiceClone": "user",
                "media.Consent": "user",
                "media.Removal": "consent__user",
            },
            erase=_erase,
            listings=(
                Listing(
                    "media",
                    lambda user_id: list_rows(
                        _filter_media(user_id), without=INTERNAL_FILE_COLUMNS
                    ),
                ),
                Listing("imports", _list_imports),
                Listing(
                    "voices", lambda user_id: list_rows(_filter_voices(user_id), without=INTERNAL)
                ),
                Listing("consents", _list_consents),
            ),
            files=_iterate_files,
        )
    )


def _filter_media(user_id: UUID) -> Any:
    return MediaFile.objects.filter(user_id=user_id)


def _filter_voices(user_id: UUID) -> Any:
    return VoiceClone.objects.filter(user_id=user_id)


def _list_imports(user_id: UUID) -> Iterator[dict[str, Any]]:
    rows = MediaImport.objects.filter(user_id=user_id)
    return list_rows(rows, without=("holder", "due_at", "tries", "validator"))


def _list_consents(user_id: UUID) -> Iterator[dict[str, Any]]:
    rows = Consent.objects.filter(user_id=user_id)
    return list_rows(rows, without=("holder", "due_at", "tries"))


def _iterate_files(user_id: UUID) -> Iterator[StoredFile]:
    for folder, rows in (("media", _filter_media(user_id)), ("voices", _filter_voices(user_id))):
        for page in iterate_pages(rows.filter(status=MediaStatus.READY)):
            for row in page:
                path = f"{folder}/{row.pk}/{make_portable(row.name)}"
                yield StoredFile(path, row.object_key, row.file_size_bytes or 0)


def _erase(user_id: UUID) -> Steps:
    for page in iterate_pages(_filter_voices(user_id)):
        for voice in page:
            delete_voice(user_id=user_id, voice_id=voice.pk)
            yield voice
    for page in iterate_pages(_filter_media(user_id)):
        for media in page:
            _abort_parts(media)
            delete_media(user_id=user_id, media_id=media.pk, force=True)
            yield media
    consents = Consent.objects.filter(user_id=user_id)
    yield from delete_in_batches(Removal.objects.filter(consent__in=consents))
    yield from delete_in_batches(consents)
    # Results without rows, render segments, and objects that earlier deletions left behind.
    yield from _remove_objects(f"users/{user_id}/")


def _abort_parts(row: Upload) -> None:
    """Delete the stored parts; unlike deleting the media, this raises in a storage outage."""
    if row.upload_id:
        object_storage().abort_parts(row.object_key, row.upload_id)


def _remove_objects(folder: str) -> Steps:
    storage = object_storage()
    while True:
        page = storage.list_page(folder, PAGE_SIZE)
        keys = [
            stored.key for stored in takewhile(lambda stored: stored.key.startswith(folder), page)
        ]
        if not keys:
            return
        for key in keys:
            storage.delete(key)
            yield key
