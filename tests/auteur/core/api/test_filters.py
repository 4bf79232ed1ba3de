"""Lists of projects, media and jobs: searched, filtered, in other orders, page after page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api import filters
from jobs.models import Job
from media.models import MediaFile
from projects.models import Project

pytestmark = pytest.mark.django_db

NAMES = ["beach", "Alps", "Zoo", "alley", "Beach at night", "beach"]
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def projects(user: User, make_user: Callable[..., User]) -> list[Project]:
    """The user's, each made an hour after the one before; the first one changed last."""
    Project.objects.create(user=make_user(), name="beach of another")
    rows = [Project.objects.create(user=user, name=name) for name in NAMES]
    for hours, project in enumerate(rows):
        at = FIRST + timedelta(hours=hours)
        Project.objects.filter(pk=project.pk).update(created_at=at, updated_at=at)
    Project.objects.filter(pk=rows[0].pk).update(updated_at=FIRST + timedelta(days=1))
    return rows


def pages(api: APIClient, path: str, key: str, **query: Any) -> list[Any]:
    """All rows, page after page."""
    result, url = [], f"{path}?limit=2"
    while url:
        answer = api.get(url, query)
        assert answer.status_code == 200, answer.content
        result += answer.json()[key]
        url, query = answer.json()["next"], {}
    return result


def names(api: APIClient, **query: Any) -> list[str]:
    return [project["name"] for project in pages(api, "/projects", "projects", **query)]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, NAMES[::-1]),
        ("-created_at", NAMES[::-1]),
        ("created_at", NAMES),
        ("updated_at", [*NAMES[1:], NAMES[0]]),
        ("-updated_at", [NAMES[0], *NAMES[:0:-1]]),
        ("name", ["alley", "Alps", "beach", "beach", "Beach at night", "Zoo"]),
        ("-name", ["Zoo", "Beach at night", "beach", "beach", "Alps", "alley"]),
    ],
)
def test_projects_come_in_the_order_that_is_asked_for(api, projects, sort, expected) -> None:
    assert names(api, **({} if sort is None else {"sort": sort})) == expected


def test_a_page_before_is_found_again(api, projects) -> None:
    first = api.get("/projects", {"sort": "name", "limit": 3}).json()
    second = api.get(first["next"]).json()
    assert api.get(second["previous"]).json()["projects"] == first["projects"]


def test_a_search_finds_parts_of_names_in_any_case(api, projects) -> None:
    assert names(api, search="BEACH", sort="created_at") == ["beach", "Beach at night", "beach"]
    assert names(api, search="100%") == []


def test_a_search_looks_through_so_many(api, projects, monkeypatch) -> None:
    monkeypatch.setattr(filters, "SEARCHED_ROWS", 5)
    assert names(api, search="beach") == ["beach", "Beach at night"]


@pytest.mark.parametrize(
    ("length", "status"),
    [(filters.MAX_SEARCH_LENGTH, 200), (filters.MAX_SEARCH_LENGTH + 1, 400)],
)
def test_a_search_is_so_long_at_most(api, length: int, status: int) -> None:
    assert api.get("/projects", {"search": "x" * length}).status_code == status


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/projects", {"sort": "description"}, "sort"),
        ("/projects", {"sort": ["name", "x"]}, "sort"),
        ("/projects", {"search": "a\0b"}, "search"),
        ("/media", {"type": "text"}, "type"),
        ("/media", {"status": "gone"}, "status"),
        ("/jobs", {"sort": "rank"}, "sort"),
    ],
)
def test_what_a_list_does_not_know_is_refused(api, path, query, field) -> None:
    answer = api.get(path, query)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_cursor_of_another_order_is_refused(api, projects) -> None:
    by_name = api.get("/projects", {"sort": "name", "limit": 2}).json()["next"]
    answer = api.get(by_name.replace("sort=name", "sort=created_at"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.fixture
def media(user: User, project: Project, make_media: Any) -> dict[str, MediaFile]:
    """By name."""
    result = {
        name: make_media(name=name, type=kind)
        for name, kind in (("b.mp4", "video"), ("C.wav", "audio"), ("a.png", "image"))
    }
    MediaFile.objects.filter(name="a.png").update(status="rejected")
    MediaFile.objects.filter(name="b.mp4").update(project=project)
    return result


@pytest.fixture
def project(user: User) -> Project:
    return Project.objects.create(user=user, name="Film")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"sort": "name"}, ["a.png", "b.mp4", "C.wav"]),
        ({"type": "audio"}, ["C.wav"]),
        ({"status": "rejected"}, ["a.png"]),
        ({"search": "B.MP"}, ["b.mp4"]),
        ({"search": ".", "type": "video", "status": "ready"}, ["b.mp4"]),
        ({"type": "video", "status": "rejected"}, []),
    ],
)
def test_media_are_narrowed(api, media, query, expected) -> None:
    assert [page["name"] for page in pages(api, "/media", "media", **query)] == expected


def test_of_a_project_too(api, media, project) -> None:
    path = f"/projects/{project.pk}/media"
    assert [page["name"] for page in pages(api, path, "media", sort="name")] == ["b.mp4"]
    assert pages(api, path, "media", type="audio") == []


def test_jobs_come_oldest_first_if_asked(api, make_job) -> None:
    result = [make_job() for _ in range(3)]
    for hours, job in enumerate(result):
        Job.objects.filter(pk=job.pk).update(created_at=FIRST + timedelta(hours=hours))
    results = pages(api, "/jobs", "jobs", sort="created_at")
    assert [job["id"] for job in results] == [str(job.pk) for job in result]
