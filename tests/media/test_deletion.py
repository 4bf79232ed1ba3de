from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from media import deletion
from media.models import MediaFile
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.s3 import PresignedS3Storage
from projects.models import Project


@pytest.fixture
def in_use() -> Iterator[set[UUID]]:
    """Ids of media that something still needs."""
    needed: set[UUID] = set()

    @deletion.register_usage
    def finder(media: MediaFile) -> list[str]:
        return ["the test"] if media.pk in needed else []

    yield needed
    deletion._finders[MediaFile].remove(finder)


@pytest.mark.parametrize("path", ["/media/{media.pk}", "/projects/{project.pk}/media/{media.pk}"])
def test_row_and_object_go(
    storage: ObjectStorage,
    ready: Callable[[], MediaFile],
    api: APIClient,
    project: Project,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    path: str,
) -> None:
    media = ready()
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.delete(path.format(media=media, project=project))

    assert (answer.status_code, answer.content) == (204, b"")
    assert not MediaFile.objects.filter(pk=media.pk).exists()
    with pytest.raises(ObjectMissingError):
        storage.head(media.r2_key)
    assert api.delete(path.format(media=media, project=project)).status_code == 404


def test_the_object_goes_after_commit_only(
    filesystem_storage: ObjectStorage,
    ready: Callable[[], MediaFile],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    media = ready()
    with django_capture_on_commit_callbacks() as after_commit:
        deletion.delete_media(user_id=media.user_id, media_id=media.pk)
        assert filesystem_storage.head(media.r2_key)
    assert len(after_commit) == 1


def test_what_is_in_use_stays(
    filesystem_storage: ObjectStorage,
    ready: Callable[[], MediaFile],
    api: APIClient,
    in_use: set[UUID],
) -> None:
    media = ready()
    in_use.add(media.pk)
    answer = api.delete(f"/media/{media.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "media_in_use")
    assert answer.json()["used_by"] == ["the test"]
    assert MediaFile.objects.filter(pk=media.pk).exists()
    assert filesystem_storage.head(media.r2_key)

    in_use.clear()
    assert api.delete(f"/media/{media.pk}").status_code == 204


def test_registering_twice_asks_once(
    in_use: set[UUID], make_media: Callable[..., MediaFile]
) -> None:
    deletion.register_usage(deletion._finders[MediaFile][-1])
    media = make_media()
    in_use.add(media.pk)
    assert deletion.list_usages(media) == ["the test"]


def test_by_another_project_nothing_goes(
    api: APIClient, make_media: Callable[..., MediaFile], project: Project
) -> None:
    media = make_media()
    assert api.delete(f"/projects/{project.pk}/media/{media.pk}").status_code == 404
    assert MediaFile.objects.filter(pk=media.pk).exists()


def test_a_storage_that_is_away_does_not_bring_the_row_back(
    s3_storage: PresignedS3Storage,
    use_s3: Callable[..., PresignedS3Storage],
    ready: Callable[[], MediaFile],
    api: APIClient,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    media = ready()
    use_s3("http://127.0.0.1:9")
    caplog.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(f"/media/{media.pk}").status_code == 204
    assert not MediaFile.objects.filter(pk=media.pk).exists()
    assert "1 objects could not be deleted: EndpointConnectionError" in caplog.text
    assert media.r2_key not in caplog.text


def test_all_media_of_a_project(
    filesystem_storage: ObjectStorage,
    make_media: Callable[..., MediaFile],
    project: Project,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    thumbnail = "users/1/media/2/thumbnail.jpg"
    gone = [make_media(project=project, thumbnail_r2_key=thumbnail), make_media(project=project)]
    media_body = make_media()
    keys = [media.r2_key for media in gone] + [thumbnail]
    for key in (*keys, media_body.r2_key):
        filesystem_storage.write(key, b"x", "audio/wav")

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        deletion.delete_project_media(project_id=project.pk)

    assert list(MediaFile.objects.all()) == [media_body]
    for key in keys:
        with pytest.raises(ObjectMissingError):
            filesystem_storage.head(key)
    assert filesystem_storage.head(media_body.r2_key)
