"""Confirming answers when the check has ended, if that does not take long."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import ANY

import pytest
import requests
from django.db import connections
from django.db.models.functions import Now
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api import waiting
from auteur.core.api.waiting import REPEATED_KEY, WAIT_KEY
from media import checking
from media.kinds import FILES
from media.models import MediaFile, MediaStatus, VoiceClone
from media.storage import ObjectStorage
from projects.models import Project
from tests.conftest import bearer
from tests.media import samples
from tests.waiting import until

Uploaded = Callable[..., MediaFile]
BROKEN = b"not a film at all, but long enough to be looked at" * 20


@pytest.fixture
def _no_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's threads leave the database of the tests after each request."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)


def confirm_over_http(address: str, project: Project, media: MediaFile, user: User) -> Any:
    headers = {"Authorization": f"Bearer {bearer(user.pk, user.email)}"}
    url = f"{address}/projects/{project.pk}/media/{media.pk}/confirm"
    return requests.post(url, headers=headers, timeout=60)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_connection_is_kept")
@pytest.mark.parametrize(
    ("content", "status", "outcome"),
    [(samples.video, 200, "ready"), (lambda: BROKEN, 409, "upload_rejected")],
    ids=["a film", "a broken file"],
)
def test_confirm_answers_what_the_check_has_found(
    filesystem_storage: ObjectStorage,
    http_server: str,
    uploaded: Uploaded,
    project: Project,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    content: Callable[[], bytes],
    status: int,
    outcome: str,
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 60.0)  # on a busy machine
    media = uploaded(content())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(confirm_over_http, http_server, project, media, user)
        until(lambda: MediaFile.objects.filter(pk=media.pk, status=MediaStatus.CHECKING).exists())
        checking.run_check(FILES, media.pk)
        response = answer.result()
    assert response.status_code == status, response.text
    body = response.json()
    assert outcome == (body["media"]["status"] if status == 200 else body["code"])
    assert status == 200 or body["reason"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_connection_is_kept")
def test_confirm_of_a_slow_check_answers_that_it_goes_on(
    filesystem_storage: ObjectStorage,
    http_server: str,
    uploaded: Uploaded,
    project: Project,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.2)
    media = uploaded(samples.video())
    response = confirm_over_http(http_server, project, media, user)
    assert response.status_code == 202
    assert response.json()["media"]["status"] == "checking"


class TestRequest:
    """What the view leaves for the server, with any other in front of it."""

    def test_media_being_checked_asks_for_a_wait(
        self, api: APIClient, make_media: Callable[..., MediaFile], project: Project
    ) -> None:
        media = make_media(project=project, status=MediaStatus.CHECKING, check_at=Now())
        answer: Any = api.post(f"/projects/{project.pk}/media/{media.pk}/confirm")
        wait = answer.wsgi_request.META[WAIT_KEY]
        assert (answer.status_code, wait.owner, wait.row_id) == (202, str(media.user_id), media.pk)
        assert wait.find_ended([media.pk]) == set()
        MediaFile.objects.filter(pk=media.pk).update(status=MediaStatus.READY, check_at=None)
        assert wait.find_ended([media.pk]) == {media.pk}
        media.delete()
        assert wait.find_ended([wait.row_id]) == {wait.row_id}, "it is answered that it is gone"

    def test_a_voice_being_checked_asks_for_a_wait(self, api: APIClient, user: User) -> None:
        voice = VoiceClone.objects.create(
            user=user,
            name="Ada",
            status=MediaStatus.CHECKING,
            check_at=Now(),
            sample_r2_key="users/a/sample.wav",
        )
        answer: Any = api.post(f"/voices/{voice.pk}/confirm")
        assert answer.status_code == 202
        assert answer.wsgi_request.META[WAIT_KEY].find_ended([voice.pk]) == set()

    def test_a_repeated_request_is_answered_and_costs_nothing(
        self,
        api: APIClient,
        make_media: Callable[..., MediaFile],
        project: Project,
        settings: Settings,
    ) -> None:
        settings.RATE_LIMIT = "1/minute"
        media = make_media(project=project, status=MediaStatus.CHECKING, check_at=Now())
        path = f"/projects/{project.pk}/media/{media.pk}/confirm"
        assert api.post(path).status_code == 202
        repeated: Any = api.post(path, **{REPEATED_KEY: True})
        assert repeated.status_code == 202
        assert WAIT_KEY not in repeated.wsgi_request.META
        assert repeated.headers["RateLimit"] == ANY
        assert api.post(path).status_code == 429
