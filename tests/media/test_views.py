import uuid
from collections.abc import Callable

import pytest
import requests
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile, MediaStatus
from media.storage import ObjectStorage
from projects.models import Project
from tests.media import samples

FIELDS = {
    "id",
    "project_id",
    "name",
    "type",
    "status",
    "mime_type",
    "duration_ms",
    "file_size_bytes",
    "metadata",
    "rejection",
    "origin",
    "import",
    "thumbnail_url",
    "created_at",
}
DETAILS = FIELDS | {"download_url", "derivatives", "sprite_url", "sprite", "peaks_url"}


@pytest.fixture
def stranger(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(make_user())


@pytest.fixture
def media(make_media: Callable[..., MediaFile], project: Project) -> MediaFile:
    return make_media(project=project)


def ids(answer: dict[str, list[dict[str, str]]]) -> set[str]:
    return {row["id"] for row in answer["media"]}


def test_lists(api: APIClient, project: Project, make_media: Callable[..., MediaFile]) -> None:
    inside, outside = make_media(project=project), make_media()
    waiting = make_media(project=project, status=MediaStatus.UPLOADING)

    of_project = api.get(f"/projects/{project.pk}/media").json()
    of_user = api.get("/media").json()

    assert ids(of_project) == {str(inside.pk), str(waiting.pk)}
    assert ids(of_user) == {str(inside.pk), str(waiting.pk), str(outside.pk)}
    assert (of_project["next"], of_project["previous"]) == (None, None)
    assert all(set(row) == FIELDS for row in of_user["media"])
    assert {row["status"] for row in of_project["media"]} == {"ready", "uploading"}


def test_pages(api: APIClient, make_media: Callable[..., MediaFile]) -> None:
    created = {str(make_media().pk) for _ in range(3)}
    first = api.get("/media?limit=2").json()
    second = api.get(first["next"]).json()
    assert len(first["media"]) == 2
    assert ids(first) | ids(second) == created
    assert second["next"] is None
    assert api.get("/media?cursor=made-up").status_code == 400


def test_others_see_nothing(stranger: APIClient, media: MediaFile, project: Project) -> None:
    assert stranger.get("/media").json()["media"] == []
    for path in (
        f"/projects/{project.pk}/media",
        f"/projects/{project.pk}/media/{media.pk}",
        f"/media/{media.pk}",
    ):
        answer = stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for path in (f"/projects/{project.pk}/media/{media.pk}", f"/media/{media.pk}"):
        assert stranger.delete(path).status_code == 404
    assert MediaFile.objects.filter(pk=media.pk).exists()


@pytest.mark.parametrize("path", ["/media/{0}", "/projects/{0}/media", "/media/nonsense"])
def test_what_does_not_exist(api: APIClient, path: str) -> None:
    assert api.get(path.format(uuid.uuid4())).status_code == 404


def test_a_token_is_needed(media: MediaFile) -> None:
    anyone = APIClient()
    for path in ("/media", f"/media/{media.pk}", f"/projects/{media.project_id}/media"):
        assert anyone.get(path).status_code == 401


def test_details_have_a_download_url(
    storage: ObjectStorage, ready: Callable[[], MediaFile], api: APIClient, project: Project
) -> None:
    media = ready()
    for path in (f"/media/{media.pk}", f"/projects/{project.pk}/media/{media.pk}"):
        body = api.get(path).json()
        assert set(body) == DETAILS
        downloaded = requests.get(body["download_url"], timeout=10)
        assert downloaded.content == samples.video()
        assert downloaded.headers["Content-Disposition"] == 'attachment; filename="film.mp4"'


@pytest.mark.parametrize("status", [MediaStatus.UPLOADING, MediaStatus.REJECTED])
def test_only_ready_media_can_be_downloaded(
    api: APIClient, make_media: Callable[..., MediaFile], status: MediaStatus
) -> None:
    media = make_media(status=status)
    assert api.get(f"/media/{media.pk}").json()["download_url"] is None


def test_keys_are_never_told(api: APIClient, media: MediaFile, project: Project) -> None:
    for path in ("/media", f"/projects/{project.pk}/media"):
        assert media.r2_key not in api.get(path).content.decode()
    assert "r2_key" not in api.get(f"/media/{media.pk}").json()
