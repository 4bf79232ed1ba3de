"""The picture of a project is that of the first film or picture that was brought into it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile
from projects.models import Project

pytestmark = pytest.mark.django_db(transaction=True)

Bring = Callable[..., MediaFile]


@pytest.fixture
def bring(make_media: Bring) -> Bring:
    def bring(project: Project, name: str, **fields: Any) -> MediaFile:
        media = make_media(project=project, type="video", **fields)
        media.thumbnail_r2_key = f"users/{media.user_id}/media/{media.pk}/{name}.jpg"
        media.save()
        return media

    return bring


def shown(api: APIClient, project: Project) -> str | None:
    """The same for one, and in the list."""
    thumbnail_url = api.get(f"/projects/{project.pk}").json()["thumbnail_url"]
    (listed,) = [
        row["thumbnail_url"]
        for row in api.get("/projects").json()["projects"]
        if row["id"] == str(project.pk)
    ]
    assert (thumbnail_url and thumbnail_url.split("?")[0]) == (listed and listed.split("?")[0])
    return listed


def test_it_is_the_first_that_has_one(
    api: APIClient, project: Project, make_media: Bring, bring: Bring
) -> None:
    assert shown(api, project) is None
    make_media(project=project)
    assert shown(api, project) is None
    second = bring(project, "second")
    assert "second.jpg?" in shown(api, project)
    first = bring(project, "first", created_at=second.created_at - timedelta(seconds=1))
    assert "first.jpg?" in shown(api, project)
    changed = api.patch(f"/projects/{project.pk}", {"name": "New"}, format="json").json()
    assert "first.jpg?" in changed["thumbnail_url"]
    first.delete()
    assert "second.jpg?" in shown(api, project)


def test_it_is_of_the_project_alone(
    api: APIClient, user: User, project: Project, bring: Bring
) -> None:
    bring(Project.objects.create(user=user, name="Other"), "other")
    assert shown(api, project) is None


def test_lists_of_any_length_ask_once(
    api: APIClient,
    user: User,
    project: Project,
    bring: Bring,
) -> None:
    bring(project, "one")
    with CaptureQueriesContext(connection) as few:
        api.get("/projects")
    for number in range(5):
        bring(Project.objects.create(user=user, name="Other"), str(number))
    with CaptureQueriesContext(connection) as many:
        assert len(api.get("/projects").json()["projects"]) == 6
    assert len(many) == len(few)


def test_who_keeps_a_project_hears_of_a_new_picture_and_before_the_url_expires(
    api: APIClient, project: Project, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr("projects.views.time", lambda: now[0])

    def status(tag: str) -> int:
        code: int = api.get(f"/projects/{project.pk}", headers={"If-None-Match": tag}).status_code
        return code

    plain = api.get(f"/projects/{project.pk}")["ETag"]
    now[0] += settings.PRESIGNED_URL_SECONDS
    assert status(plain) == 304
    bring(project, "new")
    assert status(plain) == 200
    tag = api.get(f"/projects/{project.pk}")["ETag"]
    assert status(tag) == 304
    now[0] += settings.PRESIGNED_URL_SECONDS / 2
    assert status(tag) == 200
