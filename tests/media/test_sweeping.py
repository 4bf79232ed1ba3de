"""Uploads that nobody has finished, on both storages: what goes, when, and what stays."""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now
from pytest_django import Settings

from media import sweeping
from media.files import confirm_upload
from media.kinds import FILES
from media.models import MediaFile
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.filesystem import INCOMING, SignedFileSystemStorage
from media.storage.s3 import PresignedS3Storage
from tests.media import samples

MARGIN = timedelta(seconds=30)
Uploaded = Callable[..., MediaFile]


def age(media: MediaFile, by: timedelta) -> None:
    MediaFile.objects.filter(pk=media.pk).update(created_at=Now() - by)


@pytest.fixture
def kept(settings: Settings) -> timedelta:
    """How long an upload may wait for its confirmation."""
    return timedelta(seconds=settings.PRESIGNED_URL_SECONDS) + sweeping.UNCONFIRMED_LIFETIME


def test_uploads_never_confirmed_go_with_their_objects(
    storage: ObjectStorage, uploaded: Uploaded, ask: Callable[..., Any], kept: timedelta
) -> None:
    old, young = uploaded(b"old"), uploaded(b"young")
    never_sent = MediaFile.objects.get(pk=ask()["media_id"])
    age(old, kept)
    age(never_sent, kept)
    age(young, kept - MARGIN)
    assert sweeping.list_unconfirmed(FILES).count() == 2

    assert (sweeping.delete_unconfirmed(FILES), sweeping.delete_unconfirmed(FILES)) == (2, 0)

    assert list(MediaFile.objects.all()) == [young]
    assert storage.head(young.r2_key)
    with pytest.raises(ObjectMissingError):
        storage.head(old.r2_key)


def test_what_was_confirmed_or_refused_stays(
    filesystem_storage: ObjectStorage,
    ready: Callable[[], MediaFile],
    uploaded: Uploaded,
    confirm: Callable[[MediaFile], Any],
    kept: timedelta,
) -> None:
    refused = uploaded(b"no film")
    assert confirm(refused).json()["reason"] == "unsupported_media"
    for media in (ready(), refused):
        age(media, 2 * kept)

    assert sweeping.delete_unconfirmed(FILES) == 0
    assert MediaFile.objects.count() == 2


def test_a_round_has_an_end(
    filesystem_storage: ObjectStorage,
    uploaded: Uploaded,
    kept: timedelta,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "BATCH_SIZE", 2)
    for _ in range(3):
        age(uploaded(b"x"), kept)

    assert [sweeping.delete_unconfirmed(FILES) for _ in range(3)] == [2, 1, 0]


def test_with_the_storage_away_the_rows_wait(
    s3_storage: PresignedS3Storage,
    use_s3: Callable[..., PresignedS3Storage],
    uploaded: Uploaded,
    kept: timedelta,
) -> None:
    age(uploaded(b"x"), kept)
    use_s3("http://127.0.0.1:9")

    assert sweeping.delete_unconfirmed(FILES) == 0
    assert MediaFile.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_another_holds_is_left_to_it(
    filesystem_storage: ObjectStorage, uploaded: Uploaded, kept: timedelta
) -> None:
    age(uploaded(b"x"), kept)
    removed: list[int] = []

    def sweep() -> None:
        removed.append(sweeping.delete_unconfirmed(FILES))
        connections.close_all()

    with transaction.atomic():
        list(MediaFile.objects.select_for_update())
        other = threading.Thread(target=sweep)
        other.start()
        other.join(60)
    assert removed == [0]


def test_a_confirm_in_time_saves_the_upload(
    filesystem_storage: ObjectStorage, uploaded: Uploaded, kept: timedelta
) -> None:
    media = uploaded(samples.video())
    age(media, kept)

    confirm_upload(user_id=media.user_id, project_id=media.project_id, media_id=media.pk, plan=None)

    assert sweeping.delete_unconfirmed(FILES) == 0
    assert filesystem_storage.head(media.r2_key)


def test_half_files_go_once_nobody_writes_to_them(
    filesystem_storage: SignedFileSystemStorage,
) -> None:
    assert sweeping.count_unfinished() == 0  # the folder need not exist
    folder = Path(filesystem_storage.root) / INCOMING
    folder.mkdir(parents=True)
    limit = sweeping.UNFINISHED_LIFETIME.total_seconds()
    for name, seconds in (("tmpold_1", limit), ("tmpyoung_1", limit - 30)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - seconds,) * 2)
    assert sweeping.count_unfinished() == 1

    assert (sweeping.delete_unfinished(), sweeping.delete_unfinished()) == (1, 0)

    assert [path.name for path in folder.iterdir()] == ["tmpyoung_1"]
    assert not filesystem_storage.remove_unfinished("tmpold_1")


@pytest.mark.django_db
def test_s3_has_no_half_files(s3_storage: PresignedS3Storage) -> None:
    assert (sweeping.count_unfinished(), sweeping.delete_unfinished()) == (0, 0)
