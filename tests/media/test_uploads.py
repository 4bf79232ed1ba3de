"""Asking for an upload URL, uploading, confirming; on both storages where bytes move."""

import json
import re
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api.problems import Problem
from media import checking
from media.files import confirm_upload
from media.kinds import FILES
from media.models import MediaFile, MediaStatus, MediaType
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.s3 import PresignedS3Storage
from projects.models import Project
from tests.media import samples
from tests.media.conftest import send
from tests.media.heic import heic

Ask = Callable[..., dict[str, Any]]
Uploaded = Callable[..., MediaFile]
Confirm = Callable[[MediaFile], Any]


@pytest.fixture
def refuse(api: APIClient, project: Project) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Ask for an upload URL in a way that is refused: status and problem."""

    def ask(**body: Any) -> tuple[int, dict[str, Any]]:
        body = {"filename": "film.mp4", "content_type": "video/mp4"} | body
        answer = api.post(
            f"/projects/{project.pk}/media/upload-url",
            json.dumps(body),  # escapes what is no text
            content_type="application/json",
        )
        assert answer["Content-Type"] == "application/problem+json"
        assert not MediaFile.objects.exists()
        return answer.status_code, answer.json()

    return ask


class TestAsking:
    def test_the_answer(self, ask: Ask, user: User, project: Project, settings: Settings) -> None:
        before = timezone.now()
        answer = ask("Mein Urlaub ☀.MP4", "video/mp4", 1234)

        assert set(answer) == {
            "media_id",
            "upload_url",
            "method",
            "headers",
            "expires_at",
            "part_size_bytes",
            "parts",
        }
        assert (answer["part_size_bytes"], answer["parts"]) == (None, None)
        assert answer["method"] == "PUT"
        assert answer["headers"] == {"Content-Type": "video/mp4", "If-None-Match": "*"}
        expires_at = datetime.fromisoformat(answer["expires_at"])
        assert (
            timedelta(seconds=0)
            <= expires_at - before - timedelta(minutes=15)
            < timedelta(seconds=10)
        )
        media = MediaFile.objects.get(pk=answer["media_id"])
        assert media.name == "Mein Urlaub ☀.MP4"
        assert (media.type, media.status) == (MediaType.VIDEO, MediaStatus.UPLOADING)
        assert (media.mime_type, media.file_size_bytes) == ("video/mp4", 1234)
        assert media.r2_key == f"users/{user.pk}/media/{media.pk}/source.mp4"
        assert media.r2_url == answer["upload_url"].partition("?")[0]
        assert (media.user_id, media.project_id) == (user.pk, project.pk)

    @pytest.mark.parametrize(
        ("told", "taken", "media_type"),
        [
            ("audio/wav", "audio/wav", MediaType.AUDIO),
            ("IMAGE/PNG", "image/png", MediaType.IMAGE),
            ("video/webm;codecs=vp9,opus", "video/webm", MediaType.VIDEO),
            ("application/mxf", "application/mxf", MediaType.VIDEO),
        ],
    )
    def test_content_types(self, ask: Ask, told: str, taken: str, media_type: MediaType) -> None:
        answer = ask("a", told)
        media = MediaFile.objects.get(pk=answer["media_id"])
        assert (media.mime_type, media.type) == (taken, media_type)
        assert answer["headers"]["Content-Type"] == taken

    @pytest.mark.parametrize(
        "told",
        [
            "text/html",
            "image/svg+xml",
            "application/pdf",
            "application/vnd.apple.mpegurl",
            "video/",
            "video",
            "video/*",
            "*/*",
            ";",
            "application/octet-stream",
            "video/mp4, text/html",
        ],
    )
    def test_content_types_that_are_not_taken(self, refuse: Any, told: str) -> None:
        status, problem = refuse(content_type=told)
        assert (status, problem["code"]) == (415, "unsupported_media_type")
        assert "video/mp4" in problem["accepted"]
        assert re.search(r" are not accepted\. Accepted formats: .*\bmp4\b.*\.$", problem["detail"])

    def test_sizes(self, ask: Ask, settings: Settings) -> None:
        settings.MAX_UPLOAD_BYTES = 5000
        assert ask(size_bytes=1)
        assert ask(size_bytes=5000)

    def test_a_size_past_the_limit(self, refuse: Any, settings: Settings) -> None:
        settings.MAX_UPLOAD_BYTES = 5000
        for size in (5001, 10**18):
            status, problem = refuse(size_bytes=size)
            assert (status, problem["code"]) == (413, "file_too_large")
            assert problem["max_bytes"] == 5000

    @pytest.mark.parametrize("size", [0, -1, "many", 1.5, True, [], {}])
    def test_sizes_that_are_none(self, refuse: Any, size: Any) -> None:
        status, problem = refuse(size_bytes=size)
        assert (status, problem["errors"][0]["field"]) == (400, "size_bytes")

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ("a" * 255, "a" * 255),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\film.mp4", "film.mp4"),
            ("/film.mp4", "film.mp4"),
            ("..film", "..film"),
            ("  film.mp4  ", "film.mp4"),
            ("日本 👩‍👧 é.mp4", "日本 👩‍👧 é.mp4"),
            ("<b>\"'%00;", "<b>\"'%00;"),
        ],
    )
    def test_file_names(self, ask: Ask, told: str, kept: str) -> None:
        media = MediaFile.objects.get(pk=ask(told)["media_id"])
        assert media.name == kept
        assert media.r2_key.endswith("/source.mp4")

    @pytest.mark.parametrize(
        "told",
        [
            "",
            " ",
            "/",
            "a/",
            "..",
            "a/..",
            ".",
            "a" * 256,
            "a\x01.mp4",
            "a\nb.mp4",
            "a\x7f",
            "\x1b[0m",
            None,
            ["a"],
            {"a": 1},
        ],
    )
    def test_file_names_that_are_none(self, refuse: Any, told: Any) -> None:
        status, problem = refuse(filename=told)
        assert (status, problem["errors"][0]["field"]) == (400, "filename")

    def test_without_a_body(self, refuse: Any) -> None:
        status, problem = refuse(filename=None, content_type=None)
        assert status == 400
        assert {error["field"] for error in problem["errors"]} == {"filename", "content_type"}

    def test_into_the_project_of_another(
        self,
        make_user: Callable[..., User],
        client_of: Callable[[User], APIClient],
        project: Project,
    ) -> None:
        body = {"filename": "film.mp4", "content_type": "video/mp4"}
        stranger = client_of(make_user())
        for project_id in (project.pk, uuid.uuid4(), "not-a-uuid"):
            answer = stranger.post(f"/projects/{project_id}/media/upload-url", body, format="json")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert not MediaFile.objects.exists()

    def test_without_a_token(self, project: Project) -> None:
        answer = APIClient().post(f"/projects/{project.pk}/media/upload-url", {}, format="json")
        assert answer.status_code == 401


class TestConfirming:
    def test_a_film(
        self, storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm, project: Project
    ) -> None:
        content = samples.video(rotation=90)
        media = uploaded(content, size_bytes=len(content))

        answer = confirm(media)

        assert answer.status_code == 200
        media_body = answer.json()["media"]
        assert media_body.pop("created_at")
        assert media_body.pop("metadata")["rotation"] == 90
        assert media_body == {
            "origin": None,
            "import": None,
            "rejection": None,
            "id": str(media.pk),
            "project_id": str(project.pk),
            "name": "film.mp4",
            "type": "video",
            "status": "ready",
            "mime_type": "video/mp4",
            "duration_ms": 400,
            "file_size_bytes": len(content),
            "thumbnail_url": None,
        }

    def test_confirming_again_answers_the_same(
        self, storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm
    ) -> None:
        media = uploaded(samples.wav(), "audio/wav")
        first, second = confirm(media), confirm(media)
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json() == second.json()

    def test_a_film_without_pictures_is_a_sound(
        self, storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm
    ) -> None:
        answer = confirm(uploaded(samples.wav(), "video/mp4"))
        assert answer.json()["media"]["type"] == "audio"

    def test_a_picture(self, storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm) -> None:
        media = confirm(uploaded(samples.image(), "image/png")).json()["media"]
        assert (media["type"], media["duration_ms"]) == ("image", None)

    def test_what_does_not_decode_passes_here(
        self, storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm
    ) -> None:
        assert confirm(uploaded(samples.undecodable_video())).status_code == 200

    def test_before_the_upload(self, storage: ObjectStorage, ask: Ask, confirm: Confirm) -> None:
        upload = ask()
        media = MediaFile.objects.get(pk=upload["media_id"])

        answer = confirm(media)
        assert (answer.status_code, answer.json()["code"]) == (422, "upload_missing")
        media.refresh_from_db()
        assert media.status == MediaStatus.UPLOADING

        assert send(upload, samples.video()).status_code == 200
        assert confirm(media).status_code == 200

    @pytest.mark.parametrize(
        ("content", "content_type", "code"),
        [
            (samples.TEXT, "video/mp4", "unsupported_media"),
            (samples.PLAYLIST % 9, "video/mp4", "unsupported_media"),
            (samples.SESSION, "audio/mpeg", "unsupported_media"),
            (samples.zipped(), "video/mp4", "unsupported_media"),
            (samples.video_without_index(), "video/mp4", "unsupported_media"),
            (samples.image(), "video/mp4", "unsupported_media"),
            (samples.video(), "image/png", "unsupported_media"),
            (samples.wav(frames=12 * 3600 + 1, rate=1), "audio/wav", "media_too_long"),
        ],
        ids=[
            "text",
            "playlist",
            "session",
            "archive",
            "broken off",
            "picture",
            "no picture",
            "too long",
        ],
    )
    def test_what_is_refused_is_removed(
        self,
        storage: ObjectStorage,
        uploaded: Uploaded,
        confirm: Confirm,
        api: APIClient,
        content: bytes,
        content_type: str,
        code: str,
    ) -> None:
        media = uploaded(content, content_type)

        problem = confirm(media)

        assert (problem.status_code, problem.json()["code"]) == (409, "upload_rejected")
        body = api.get(f"/media/{media.pk}").json()
        assert (body["status"], body["rejection"]["code"]) == ("rejected", code)
        assert problem.json()["reason"] == code
        assert problem.json()["detail"] == body["rejection"]["detail"] != ""
        with pytest.raises(ObjectMissingError):
            storage.head(media.r2_key)

    def test_an_empty_file_is_refused_at_once(
        self, storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm, api: APIClient
    ) -> None:
        media = uploaded(b"")
        answer, again = confirm(media), confirm(media)
        assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")
        assert (again.status_code, again.json()["reason"]) == (409, "empty_file")
        body = api.get(f"/media/{media.pk}").json()
        assert body["rejection"] == {
            "code": "empty_file",
            "detail": "The uploaded file is empty.",
        }
        with pytest.raises(ObjectMissingError):
            storage.head(media.r2_key)

    @pytest.mark.parametrize(
        ("difference", "status", "code"),
        [(-1, 413, "file_too_large"), (1, 422, "size_mismatch")],
    )
    def test_another_size_than_was_told(
        self,
        storage: ObjectStorage,
        ask: Ask,
        confirm: Confirm,
        difference: int,
        status: int,
        code: str,
    ) -> None:
        content = samples.video()
        media = MediaFile.objects.get(pk=ask(size_bytes=len(content) + difference)["media_id"])
        storage.write(media.r2_key, content, "video/mp4")  # a server that checks less

        answer = confirm(media)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        media.refresh_from_db()
        assert media.status == MediaStatus.REJECTED

    def test_the_largest_upload(
        self,
        storage: ObjectStorage,
        uploaded: Uploaded,
        confirm: Confirm,
        settings: Settings,
    ) -> None:
        content = samples.video()
        largest, larger = uploaded(content), uploaded(content)
        settings.MAX_UPLOAD_BYTES = len(content)
        assert confirm(largest).status_code == 200
        settings.MAX_UPLOAD_BYTES = len(content) - 1
        answer = confirm(larger)
        assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")

    def test_what_was_confirmed_is_not_replaced(
        self, storage: ObjectStorage, ask: Ask, confirm: Confirm
    ) -> None:
        upload = ask()
        send(upload, samples.video())
        media = MediaFile.objects.get(pk=upload["media_id"])
        confirm(media)

        # Ours knows the row; S3 knows that the object is there.
        assert send(upload, samples.wav()).status_code in (409, 412)
        assert storage.read(media.r2_key, 10_000) == samples.video()

    def test_another_users_media(
        self,
        filesystem_storage: ObjectStorage,
        uploaded: Uploaded,
        project: Project,
        make_user: Callable[..., User],
        client_of: Callable[[User], APIClient],
    ) -> None:
        media = uploaded(samples.video())
        other = make_user()
        stranger, theirs = client_of(other), Project.objects.create(user=other, name="Theirs")
        for project_id in (project.pk, theirs.pk):
            answer = stranger.post(f"/projects/{project_id}/media/{media.pk}/confirm")
            assert answer.status_code == 404
        media.refresh_from_db()
        assert media.status == MediaStatus.UPLOADING

    def test_by_another_project(
        self, filesystem_storage: ObjectStorage, uploaded: Uploaded, api: APIClient, user: User
    ) -> None:
        media = uploaded(samples.video())
        other = Project.objects.create(user=user, name="Other")
        assert api.post(f"/projects/{other.pk}/media/{media.pk}/confirm").status_code == 404

    def test_while_the_storage_is_away_nothing_is_decided(
        self,
        s3_storage: PresignedS3Storage,
        use_s3: Callable[..., PresignedS3Storage],
        uploaded: Uploaded,
        confirm: Confirm,
        s3_server: str,
    ) -> None:
        media = uploaded(samples.video())
        use_s3("http://127.0.0.1:9")
        answer = confirm(media)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        media.refresh_from_db()
        assert media.status == MediaStatus.UPLOADING

        use_s3(s3_server)
        assert confirm(media).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "outcome"), [(samples.video(), "ready"), (samples.TEXT, "rejected")]
)
def test_eight_confirm_at_once_and_one_check_is_made(
    filesystem_storage: ObjectStorage,
    uploaded: Uploaded,
    project: Project,
    content: bytes,
    outcome: str,
) -> None:
    media = uploaded(content)
    start = threading.Barrier(8)
    answers: list[str] = []

    def confirm() -> None:
        start.wait()
        try:
            confirmed = confirm_upload(
                user_id=project.user_id, project_id=project.pk, media_id=media.pk, plan=None
            )
            answers.append(confirmed.status)
        except Problem as problem:
            answers.append(problem.default_code)
        finally:
            connection.close()

    def check() -> None:
        start.wait()
        checking.run_check(FILES, media.pk)
        connection.close()

    for work in (confirm, check):
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    media.refresh_from_db()
    assert answers == ["checking"] * 8
    assert media.status == outcome
    assert media.check_tries == 1


@pytest.mark.parametrize("content_type", ["image/heic", "image/heif", "image/jpeg"])
def test_a_heic_photo_is_a_picture_whatever_it_is_called(
    storage: ObjectStorage, uploaded: Uploaded, confirm: Confirm, content_type: str
) -> None:
    photo = heic(np.full((64, 96, 3), 120, np.uint8))
    answer = confirm(uploaded(photo, content_type, filename="IMG_1.HEIC"))
    assert answer.status_code == 200, answer.content
    media = answer.json()["media"]
    assert (media["type"], media["metadata"]["container"]) == ("image", "heic")
