"""One try at a media file, on both storages: what is kept, what fails, what is left behind."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import requests
from django.db import connection
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from auteur.core.work.leases import Lease
from gpu_tasks.runtime import sandbox
from media import deletion, limits
from media.derivation import worker
from media.derivation.states import DERIVATIONS
from media.models import DerivationStatus, MediaFile, MediaType
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.s3 import PresignedS3Storage
from media.tasks import derive
from tests.media import samples
from tests.media.films import decoded, film, halves, tone, with_spoilt_pictures
from tests.media.heic import heic

Kept = Callable[..., MediaFile]


def again(media: MediaFile) -> MediaFile:
    return MediaFile.objects.get(pk=media.pk)


def test_a_film_with_sound_gets_all(
    storage: ObjectStorage, talk: MediaFile, api: APIClient
) -> None:
    derive(str(talk.pk))

    body = api.get(f"/media/{talk.pk}").json()
    assert body["derivatives"] == {"status": "done", "progress": 1.0}
    assert body["sprite"] == {
        "tile_width": 96,
        "tile_height": 64,
        "columns": 2,
        "rows": 1,
        "count": 2,
        "interval_ms": 1000,
    }
    thumbnail = requests.get(body["thumbnail_url"], timeout=10)
    assert thumbnail.headers["Content-Type"] == "image/jpeg"
    assert decoded(thumbnail.content).shape == (64, 96, 3)
    assert decoded(requests.get(body["sprite_url"], timeout=10).content).shape == (64, 192, 3)
    peaks = requests.get(body["peaks_url"], timeout=10).json()
    assert peaks["length"] == pytest.approx(200, abs=4)
    listed = api.get("/media").json()["media"][0]
    assert requests.get(listed["thumbnail_url"], timeout=10).content == thumbnail.content


def test_a_sound_gets_peaks(storage: ObjectStorage, kept: Kept) -> None:
    media = kept(samples.wav(), "wav", type=MediaType.AUDIO, duration_ms=1000)
    worker.run_derivation(media.pk)
    media = again(media)
    assert media.derivation_status == DerivationStatus.DONE
    assert (media.thumbnail_r2_key, media.sprite_r2_key, media.sprite) == (None, None, None)
    assert json.loads(storage.read(media.peaks_r2_key, 10_000))["pairs_per_second"] == 100


PHOTO = np.full((48, 64, 3), 120, np.uint8)


@pytest.mark.parametrize(
    ("suffix", "make"), [("png", samples.image), ("heic", lambda: heic(PHOTO))]
)
def test_a_picture_gets_a_thumbnail(
    storage: ObjectStorage, kept: Kept, suffix: str, make: Callable[[], bytes]
) -> None:
    media = kept(make(), suffix, type=MediaType.IMAGE, duration_ms=None)
    worker.run_derivation(media.pk)
    media = again(media)
    assert media.derivation_status == DerivationStatus.DONE
    assert decoded(storage.read(media.thumbnail_r2_key, 10_000)).shape == (48, 64, 3)
    assert (media.sprite_r2_key, media.peaks_r2_key) == (None, None)


def test_a_silent_film_gets_pictures(kept: Kept) -> None:
    media = kept(film([halves(40, 220)] * 5), duration_ms=None, metadata={"has_audio": False})
    worker.run_derivation(media.pk)
    media = again(media)
    assert (bool(media.thumbnail_r2_key), media.peaks_r2_key) == (True, None)


def test_of_what_decodes_in_part_that_part_is_kept(kept: Kept) -> None:
    content = film([halves(40, 220)] * 20, sound=tone(2.0))
    media = kept(with_spoilt_pictures(content))
    worker.run_derivation(media.pk)
    media = again(media)
    assert media.derivation_status == DerivationStatus.DONE
    assert (media.thumbnail_r2_key, bool(media.peaks_r2_key)) == (None, True)


def test_what_does_not_decode_is_given_up_and_stays_usable(kept: Kept, api: APIClient) -> None:
    media = kept(samples.undecodable_video(), duration_ms=400)
    worker.run_derivation(media.pk)
    body = api.get(f"/media/{media.pk}").json()
    assert (body["status"], body["derivatives"]["status"]) == ("ready", "failed")
    assert body["download_url"]
    assert [body[name] for name in ("thumbnail_url", "sprite_url", "peaks_url")] == [None] * 3


def test_an_object_that_is_gone_is_given_up(storage: ObjectStorage, talk: MediaFile) -> None:
    storage.delete(talk.r2_key)
    worker.run_derivation(talk.pk)
    assert again(talk).derivation_status == DerivationStatus.FAILED


def test_a_message_that_comes_twice_does_nothing_more(
    storage: ObjectStorage, talk: MediaFile
) -> None:
    worker.run_derivation(talk.pk)
    storage.delete(again(talk).thumbnail_r2_key)
    worker.run_derivation(talk.pk)
    with pytest.raises(ObjectMissingError):
        storage.head(again(talk).thumbnail_r2_key)


def test_with_the_storage_away_it_waits_and_no_try_is_lost(
    talk: MediaFile,
    s3_server: str,
    use_s3: Callable[..., PresignedS3Storage],
) -> None:
    use_s3("http://127.0.0.1:9")
    worker.run_derivation(talk.pk)
    media = again(talk)
    assert (media.derivation_status, media.derivation_tries) == (DerivationStatus.WAITING, 0)
    assert not DERIVATIONS.select_due(10)
    assert media.derive_at > media.created_at


def test_the_limits_of_time_fit_together(settings: Any) -> None:
    assert 2 * limits.PART_SECONDS < worker.HARD_LIMIT_SECONDS < settings.PRESIGNED_URL_SECONDS
    assert DERIVATIONS.duration.total_seconds() > sandbox.TICK_SECONDS * 10
    assert derive.time_limit == worker.HARD_LIMIT_SECONDS
    assert not derive.acks_late


def test_a_part_that_takes_too_long_is_left_out(
    talk: MediaFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DECODING", replace(worker.DECODING, wall_seconds=0.0))
    worker.run_derivation(talk.pk)
    assert again(talk).derivation_status == DerivationStatus.FAILED


@pytest.mark.parametrize(
    "changes",
    [
        {"duration_ms": limits.MAX_PEAKS_MS + 1},
        {"file_size_bytes": limits.MAX_PEAKS_BYTES + 1},
    ],
)
def test_of_a_very_long_or_large_film_pictures_alone_are_made(
    talk: MediaFile, changes: dict[str, int], api: APIClient
) -> None:
    MediaFile.objects.filter(pk=talk.pk).update(**changes)
    worker.run_derivation(talk.pk)
    answer = api.get(f"/media/{talk.pk}").json()
    assert (answer["status"], answer["derivatives"]["status"]) == ("ready", "done")
    assert answer["thumbnail_url"]
    assert answer["peaks_url"] is None


def test_progress_is_told_on_the_way(talk: MediaFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "TICK_SECONDS", 0.0)
    messages: list[float] = []
    renew = Lease.renew

    def listen(lease: Lease, **found: float) -> None:
        renew(lease, **found)
        messages.append(again(talk).derivation_progress)

    monkeypatch.setattr(Lease, "renew", listen)
    worker.run_derivation(talk.pk)
    assert messages == sorted(messages)
    assert messages[0] < 0.5 <= messages[-1] <= 1.0


def test_deleting_removes_what_was_made(
    storage: ObjectStorage,
    talk: MediaFile,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    worker.run_derivation(talk.pk)
    keys = again(talk).derived_keys().values()
    assert all(storage.head(key).size_bytes for key in keys)
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete_media(user_id=talk.user_id, media_id=talk.pk)
    for key in (*keys, talk.r2_key):
        with pytest.raises(ObjectMissingError):
            storage.head(key)


def test_media_deleted_meanwhile_leaves_nothing(
    storage: ObjectStorage,
    talk: MediaFile,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    derived = worker.derive

    def derive_and_lose(*args: Any) -> worker.Derivatives:
        created = derived(*args)
        with django_capture_on_commit_callbacks(execute=True):
            deletion.delete_media(user_id=talk.user_id, media_id=talk.pk)
        return created

    monkeypatch.setattr(worker, "derive", derive_and_lose)
    worker.run_derivation(talk.pk)
    for key in talk.derived_keys().values():
        with pytest.raises(ObjectMissingError):
            storage.head(key)


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_does_it(filesystem_storage: ObjectStorage, make_media: Kept) -> None:
    key = "users/1/media/2/source.mp4"
    filesystem_storage.write(key, film([halves(40, 220)] * 5, sound=tone(0.5)), "video/mp4")
    media = make_media(r2_key=key, type=MediaType.VIDEO, duration_ms=500)
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        worker.run_derivation(media.pk)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    media = again(media)
    assert (media.derivation_status, media.derivation_tries) == (DerivationStatus.DONE, 1)
