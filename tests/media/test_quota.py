"""How much a user may keep: by plan, at the byte, and with uploads at once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Plan, User
from accounts.subscriptions import set_plan
from auteur.core.api.problems import Problem
from media import quota
from media.files import request_upload
from media.models import MediaFile, MediaStatus, VoiceClone
from media.storage import ObjectMissingError, ObjectStorage
from projects.models import Project
from tests.media import samples
from tests.media.conftest import send

Make = Callable[..., MediaFile]
LIMIT = 10_000


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.STORAGE_QUOTA_BYTES = LIMIT
    settings.MAX_UNSIZED_UPLOAD_BYTES = 3_000
    settings.MAX_VOICE_SAMPLE_BYTES = 1_000
    settings.STORAGE_QUOTA_BYTES_BY_PLAN = {"starter": 3 * LIMIT, "pro": 0}


@pytest.fixture
def announce(api: APIClient, project: Project) -> Callable[[int | None], Any]:
    """Ask for an upload URL; the answer."""

    def ask(size_bytes: int | None) -> Any:
        body = {"filename": "a.mp4", "content_type": "video/mp4", "size_bytes": size_bytes}
        return api.post(f"/projects/{project.pk}/media/upload-url", body, format="json")

    return ask


def test_limits_by_plan() -> None:
    assert quota.get_limit(None) == LIMIT
    assert quota.get_limit("starter") == 3 * LIMIT
    assert quota.get_limit("pro") is None
    assert quota.get_limit("a plan of tomorrow") == LIMIT


def test_what_counts(make_media: Make, user: User, make_user: Callable[..., User]) -> None:
    make_media(file_size_bytes=1)
    make_media(file_size_bytes=20, status=MediaStatus.UPLOADING)
    make_media(file_size_bytes=None, status=MediaStatus.UPLOADING)
    make_media(file_size_bytes=300, status=MediaStatus.REJECTED)
    make_media(make_user(), file_size_bytes=4000)
    assert quota.count_used_bytes(user.pk) == 3021
    for number, (size_bytes, status) in enumerate(
        [(5, MediaStatus.UPLOADING), (None, MediaStatus.UPLOADING), (7, MediaStatus.REJECTED)]
    ):
        VoiceClone.objects.create(
            user=user,
            name="Mine",
            status=status,
            file_size_bytes=size_bytes,
            sample_r2_key=f"users/{user.pk}/voices/{number}/sample.wav",
        )
    assert quota.count_used_bytes(user.pk) == 4026


def test_up_to_the_last_byte(announce: Any, make_media: Make, api: APIClient) -> None:
    make_media(file_size_bytes=LIMIT - 100)
    refused = announce(101)
    assert (refused.status_code, refused.json()["code"]) == (403, "storage_quota_exceeded")
    assert refused.json()["used_bytes"] == LIMIT - 100
    assert refused.json()["limit_bytes"] == LIMIT
    assert announce(100).status_code == 201
    assert announce(1).status_code == 403
    assert announce(None).status_code == 403
    assert api.get("/users/me").json()["storage"] == {"used_bytes": LIMIT, "limit_bytes": LIMIT}


def test_an_upload_given_up_makes_room(announce: Any, api: APIClient, project: Project) -> None:
    media_id = announce(LIMIT).json()["media_id"]
    assert announce(1).status_code == 403
    assert api.delete(f"/projects/{project.pk}/media/{media_id}/upload").status_code == 204
    assert announce(1).status_code == 201


def test_a_larger_plan_has_more_room(announce: Any, user: User, api: APIClient) -> None:
    assert announce(2 * LIMIT).status_code == 403
    set_plan(user_id=user.pk, plan=Plan.STARTER)
    assert announce(2 * LIMIT).status_code == 201
    assert announce(2 * LIMIT).status_code == 403
    set_plan(user_id=user.pk, plan=Plan.PRO)
    assert announce(2 * LIMIT).status_code == 201
    assert api.get("/users/me").json()["storage"]["limit_bytes"] is None


def test_what_was_not_told_is_counted_when_it_is_there(
    storage: ObjectStorage, uploaded: Make, confirm: Any, settings: Any
) -> None:
    content = samples.video()
    settings.MAX_UNSIZED_UPLOAD_BYTES = len(content)
    over, fits = uploaded(content), uploaded(content)
    settings.STORAGE_QUOTA_BYTES = 2 * len(content) - 1

    refused = confirm(over)

    assert confirm(fits).status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "storage_quota_exceeded")
    over.refresh_from_db()
    assert over.status == MediaStatus.REJECTED
    with pytest.raises(ObjectMissingError):
        storage.head(over.r2_key)
    assert confirm(over).json()["reason"] == "storage_quota_exceeded"


def test_what_was_not_told_takes_the_most_that_it_may_become(
    announce: Any, api: APIClient, settings: Any
) -> None:
    assert [announce(None).status_code for _ in range(4)] == [201, 201, 201, 403]
    assert api.get("/users/me").json()["storage"]["used_bytes"] == 9_000
    settings.MAX_UNSIZED_UPLOAD_BYTES = 1
    assert announce(None).status_code == 201


def test_what_was_not_told_may_become_no_more(
    filesystem_storage: ObjectStorage, ask: Any, settings: Any
) -> None:
    upload = ask()
    assert send(upload, b"x" * 3_001).json()["code"] == "file_too_large"
    assert send(upload, b"x" * 3_000).status_code == 200


def test_more_on_a_storage_of_others_is_refused_when_it_is_confirmed(
    s3_storage: ObjectStorage, uploaded: Make, confirm: Any
) -> None:
    media = uploaded(b"x" * 3_001)
    assert confirm(media).json()["code"] == "file_too_large"
    with pytest.raises(ObjectMissingError):
        s3_storage.head(media.r2_key)


def test_voices_take_room(api: APIClient, announce: Any) -> None:
    def voice(size_bytes: int | None) -> Any:
        body = {"name": "Mine", "content_type": "audio/wav", "consent": True}
        return api.post("/voices", body | {"size_bytes": size_bytes}, format="json")

    announce(LIMIT - 1_500)
    assert voice(None).status_code == 201
    refused = voice(501)
    assert (refused.status_code, refused.json()["code"]) == (403, "storage_quota_exceeded")
    assert voice(500).status_code == 201
    assert api.get("/users/me").json()["storage"]["used_bytes"] == LIMIT


def test_so_many_uploads_are_open_at_once(
    announce: Any, api: APIClient, project: Project, settings: Any
) -> None:
    settings.MAX_OPEN_UPLOADS = 2
    media_id = announce(1).json()["media_id"]
    assert announce(1).status_code == 201
    refused = announce(1)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_uploads")
    assert refused.json()["max_open_uploads"] == 2
    api.delete(f"/projects/{project.pk}/media/{media_id}/upload")
    assert announce(1).status_code == 201


def test_the_room_of_an_announced_upload_is_kept_for_it(
    filesystem_storage: ObjectStorage, uploaded: Make, confirm: Any, settings: Any, announce: Any
) -> None:
    content = samples.video()
    settings.STORAGE_QUOTA_BYTES = len(content)
    media = uploaded(content, size_bytes=len(content))
    assert announce(1).status_code == 403
    assert confirm(media).status_code == 200


def test_results_of_jobs_count_and_are_never_refused(
    make_media: Make, user: User, announce: Any
) -> None:
    make_media(file_size_bytes=5 * LIMIT, origin={"job_id": "1"})
    assert quota.count_used_bytes(user.pk) == 5 * LIMIT
    assert announce(1).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_uploads_at_once_only_those_that_fit_pass(
    filesystem_storage: ObjectStorage, project: Project
) -> None:
    start = threading.Barrier(6)
    answers: list[str] = []

    def ask() -> None:
        start.wait()
        try:
            request_upload(
                user_id=project.user_id,
                project_id=project.pk,
                plan=None,
                filename="a.mp4",
                content_type="video/mp4",
                size_bytes=LIMIT // 2,
            )
            answers.append("taken")
        except Problem as problem:
            answers.append(problem.default_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["storage_quota_exceeded"] * 4 + ["taken"] * 2
    assert quota.count_used_bytes(project.user_id) == LIMIT
