"""Large files through the API, in parts, on both storages: sent, resumed, confirmed, given up."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.models import User
from media import parts, sweeping
from media.files import confirm_upload
from media.kinds import FILES
from media.models import MediaFile, MediaStatus
from media.storage import ObjectMissingError, ObjectStorage, multipart
from media.storage.s3 import PresignedS3Storage
from projects.models import Project
from tests.media import samples

Ask = Callable[..., dict[str, Any]]
Confirm = Callable[[MediaFile], Any]
PART = 5 * 1024**2
"""The least that S3 takes."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything above one part comes in parts."""
    monkeypatch.setattr(parts, "MULTIPART_BYTES", PART)
    monkeypatch.setattr(multipart, "PART_BYTES", PART)


@pytest.fixture(scope="module")
def content() -> bytes:
    """A sound of two parts and a bit."""
    return samples.wav(frames=2 * PART + 1000, rate=1_000_000)


def media_of(upload: dict[str, Any]) -> MediaFile:
    return MediaFile.objects.get(pk=upload["media_id"])


def stretch(part: dict[str, Any], content: bytes) -> bytes:
    return content[part["offset"] : part["offset"] + part["size_bytes"]]


def send(part: dict[str, Any], content: bytes) -> int:
    return requests.put(part["upload_url"], stretch(part, content), timeout=20).status_code


@pytest.fixture
def begun(ask: Ask, content: bytes) -> dict[str, Any]:
    """An upload of ``content`` of which nothing has been sent."""
    return ask("talk.wav", "audio/wav", len(content))


def path_of(project: Project, upload: dict[str, Any]) -> str:
    return f"/projects/{project.pk}/media/{upload['media_id']}/upload"


def test_a_large_file_comes_in_parts(
    storage: ObjectStorage, begun: dict[str, Any], content: bytes, confirm: Confirm
) -> None:
    assert (begun["upload_url"], begun["method"], begun["headers"]) == (None, "PUT", {})
    assert begun["part_size_bytes"] == PART
    messages = [(p["part_number"], p["offset"], p["size_bytes"]) for p in begun["parts"]]
    rest = len(content) - 2 * PART
    assert messages == [(1, 0, PART), (2, PART, PART), (3, 2 * PART, rest)]
    assert not any(part["received"] for part in begun["parts"])

    for part in reversed(begun["parts"]):
        assert send(part, content) == 200
    answer = confirm(media_of(begun))

    assert answer.status_code == 200, answer.content
    media = media_of(begun)
    assert (media.status, media.file_size_bytes) == (MediaStatus.READY, len(content))
    assert (media.upload_id, media.upload_part_bytes) == ("", None)
    assert storage.read(media.r2_key, len(content)) == content
    assert confirm(media).json() == answer.json()


def test_up_to_the_limit_it_is_one_put(storage: ObjectStorage, ask: Ask) -> None:
    whole, cut, untold = ask(size_bytes=PART), ask(size_bytes=PART + 1), ask()
    assert (whole["parts"], untold["parts"]) == (None, None)
    assert (bool(whole["upload_url"]), cut["upload_url"]) == (True, None)
    assert [part["size_bytes"] for part in cut["parts"]] == [PART, 1]


def test_an_upload_is_resumed_where_it_broke_off(
    storage: ObjectStorage,
    begun: dict[str, Any],
    content: bytes,
    api: APIClient,
    project: Project,
    confirm: Confirm,
) -> None:
    send(begun["parts"][1], content)

    resumed = api.get(path_of(project, begun)).json()

    assert set(resumed) == set(begun)
    assert [part["received"] for part in resumed["parts"]] == [False, True, False]
    assert resumed["parts"][1]["upload_url"] is None
    for part in resumed["parts"]:
        if not part["received"]:
            assert send(part, content) == 200
    assert confirm(media_of(begun)).status_code == 200


def test_an_upload_in_one_piece_is_resumed_from_its_start(
    storage: ObjectStorage, ask: Ask, api: APIClient, project: Project, confirm: Confirm
) -> None:
    upload = ask(content_type="audio/wav")
    resumed = api.get(path_of(project, upload)).json()
    assert (resumed["parts"], resumed["headers"]) == (None, upload["headers"])
    sent = requests.put(
        resumed["upload_url"], samples.wav(), headers=resumed["headers"], timeout=10
    )
    assert sent.status_code == 200
    assert confirm(media_of(upload)).status_code == 200


def test_confirming_too_early_names_what_is_missing(
    storage: ObjectStorage, begun: dict[str, Any], content: bytes, confirm: Confirm
) -> None:
    send(begun["parts"][0], content)
    answer = confirm(media_of(begun))
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_incomplete")
    assert answer.json()["missing_parts"] == [2, 3]
    assert media_of(begun).status == MediaStatus.UPLOADING
    for part in begun["parts"][1:]:
        send(part, content)
    assert confirm(media_of(begun)).status_code == 200


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_part_of_another_size_does_not_count(
    storage: ObjectStorage,
    begun: dict[str, Any],
    content: bytes,
    confirm: Confirm,
    difference: int,
    api: APIClient,
    project: Project,
) -> None:
    for part in begun["parts"][:2]:
        send(part, content)
    media = media_of(begun)
    wrong = begun["parts"][2]["size_bytes"] + difference
    # A server that checks less than S3 does.
    url = storage.presigned_part(media.r2_key, media.upload_id, number=3, size_bytes=wrong)
    assert requests.put(url, b"x" * wrong, timeout=10).status_code == 200

    answer = confirm(media)

    assert (answer.status_code, answer.json()["missing_parts"]) == (422, [3])
    assert not api.get(path_of(project, begun)).json()["parts"][2]["received"]
    assert send(begun["parts"][2], content) == 200
    assert confirm(media).status_code == 200


def test_parts_past_the_end_are_left_out(
    storage: ObjectStorage, begun: dict[str, Any], content: bytes, confirm: Confirm
) -> None:
    for part in begun["parts"]:
        send(part, content)
    media = media_of(begun)
    url = storage.presigned_part(media.r2_key, media.upload_id, number=4, size_bytes=3)
    assert requests.put(url, b"xxx", timeout=10).status_code == 200
    assert confirm(media).status_code == 200
    assert storage.head(media.r2_key).size_bytes == len(content)


def test_a_confirm_that_broke_off_is_made_up_for(
    storage: ObjectStorage,
    begun: dict[str, Any],
    content: bytes,
    confirm: Confirm,
    api: APIClient,
    project: Project,
) -> None:
    for part in begun["parts"]:
        send(part, content)
    parts.join_parts(media_of(begun))
    response = api.get(path_of(project, begun))
    assert (response.status_code, response.json()["code"]) == (409, "upload_over")
    assert confirm(media_of(begun)).status_code == 200


def test_what_arrived_is_no_film_and_is_removed(
    storage: ObjectStorage, ask: Ask, confirm: Confirm
) -> None:
    upload = ask(size_bytes=PART + 5)
    for part in upload["parts"]:
        send(part, b"x" * (PART + 5))
    answer = confirm(media_of(upload))
    assert (answer.status_code, answer.json()["reason"]) == (409, "unsupported_media")
    media = media_of(upload)
    assert (media.status, media.upload_id) == (MediaStatus.REJECTED, "")
    with pytest.raises(ObjectMissingError):
        storage.head(media.r2_key)


@pytest.mark.parametrize("path", ["{upload}", "/media/{id}"])
def test_giving_up_removes_row_and_parts(
    storage: ObjectStorage,
    begun: dict[str, Any],
    content: bytes,
    api: APIClient,
    project: Project,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    path: str,
) -> None:
    send(begun["parts"][0], content)
    media = media_of(begun)
    upload = path_of(project, begun)
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.delete(path.format(upload=upload, id=media.pk))
    assert answer.status_code == 204
    assert not MediaFile.objects.exists()
    with pytest.raises(ObjectMissingError):
        storage.list_stored_parts(media.r2_key, media.upload_id)
    assert api.delete(upload).status_code == 404


@pytest.mark.parametrize("status", [MediaStatus.READY, MediaStatus.REJECTED])
def test_what_is_over_is_neither_resumed_nor_given_up(
    api: APIClient, project: Project, make_media: Callable[..., MediaFile], status: MediaStatus
) -> None:
    media = make_media(project=project, status=status)
    for ask in (api.get, api.delete):
        answer = ask(f"/projects/{project.pk}/media/{media.pk}/upload")
        assert (answer.status_code, answer.json()["code"]) == (409, "upload_over")
    assert MediaFile.objects.filter(pk=media.pk).exists()


def test_an_upload_is_its_owners_alone(
    filesystem_storage: ObjectStorage,
    begun: dict[str, Any],
    project: Project,
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
) -> None:
    stranger = client_of(make_user())
    for ask in (stranger.get, stranger.delete):
        assert ask(path_of(project, begun)).status_code == 404
    assert media_of(begun).status == MediaStatus.UPLOADING


def test_uploads_forgotten_in_the_middle_go_with_their_parts(
    storage: ObjectStorage, begun: dict[str, Any], content: bytes
) -> None:
    send(begun["parts"][0], content)
    media = media_of(begun)
    MediaFile.objects.filter(pk=media.pk).update(created_at=Now() - timedelta(days=2))
    assert sweeping.delete_unconfirmed(FILES) == 1
    with pytest.raises(ObjectMissingError):
        storage.list_stored_parts(media.r2_key, media.upload_id)


def test_with_the_storage_away_nothing_begins(
    use_s3: Callable[..., PresignedS3Storage], api: APIClient, project: Project
) -> None:
    use_s3("http://127.0.0.1:9")
    body = {"filename": "a.mp4", "content_type": "video/mp4", "size_bytes": PART + 1}
    answer = api.post(f"/projects/{project.pk}/media/upload-url", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert not MediaFile.objects.exists()


def test_a_refused_upload_leaves_no_parts(
    storage: ObjectStorage, api: APIClient, project: Project, settings: Any
) -> None:
    settings.STORAGE_QUOTA_BYTES = PART
    body = {"filename": "a.mp4", "content_type": "video/mp4", "size_bytes": PART + 1}
    answer = api.post(f"/projects/{project.pk}/media/upload-url", body, format="json")
    assert answer.status_code == 403
    assert storage.list_unfinished(before=timezone.now() + timedelta(days=1)) == []


@pytest.mark.django_db(transaction=True)
def test_many_confirm_at_once(
    filesystem_storage: ObjectStorage, begun: dict[str, Any], content: bytes, project: Project
) -> None:
    for part in begun["parts"]:
        send(part, content)
    start = threading.Barrier(3)
    answers: list[str] = []

    def confirm() -> None:
        start.wait()
        media = confirm_upload(
            user_id=project.user_id,
            project_id=project.pk,
            media_id=begun["media_id"],
            plan=None,
        )
        answers.append(media.status)
        connection.close()

    threads = [threading.Thread(target=confirm) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["checking"] * 3
    media = media_of(begun)
    assert filesystem_storage.read(media.r2_key, len(content)) == content
