"""What renders may cost us before they are paid: nothing is looked at or kept for nothing."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger
from jobs import budget
from jobs.models import Job
from media.models import MediaFile, MediaType
from media.storage import object_storage
from projects.models import Project, RenderFolder
from projects.rendering import folders, timelines
from tests.jobs.features.timelines import a_clip, edit, refused, track

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The projects whose timelines have been looked at."""
    results: list[Any] = []
    look = timelines._build_timeline

    def looking(document: Any, media: Any, **options: Any) -> Any:
        results.append(document["version"])
        return look(document, media, **options)

    monkeypatch.setattr(timelines, "_build_timeline", looking)
    return results


@pytest.fixture
def film_of(make_media: Make, signed_urls: None) -> Callable[..., Project]:
    """A project of somebody's with so many clips of a second each: ``film_of(owner, client)``."""

    def make(owner: User, client: APIClient, clips: int = 2) -> Project:
        media: MediaFile = make_media(owner, type=MediaType.VIDEO, duration_ms=1000)
        project = Project.objects.create(user=owner, name="Film", resolution="160x90")
        edit(client, project, [track(*(a_clip(media, n * 1000, 1000) for n in range(clips)))])
        return project

    return make


def batch(client: APIClient, *projects: Project, **parameters: Any) -> Any:
    jobs = [{"type": "render", "project_id": str(project.pk), **parameters} for project in projects]
    return client.post("/jobs/batch", {"jobs": jobs}, format="json")


def stored(project: Project) -> list[str]:
    objects = object_storage().list_objects(folders.get_folder(project.user_id, project.pk))
    return [first.key for first in objects]


def test_without_credits_nothing_is_looked_at_or_kept(
    make_user: Make, client_of: Make, film_of: Make, looked_at: list[Any]
) -> None:
    poor = make_user()
    client = client_of(poor)
    project = film_of(poor, client, 2000)
    began = time.process_time()

    answer = batch(client, *[project] * 100)

    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")
    assert (answer.json()["balance"], answer.json()["required"]) == (0, 34)
    assert time.process_time() - began < 5  # it was half a minute
    assert refused(client, project.pk)[1]["code"] == "insufficient_credits"
    assert looked_at == stored(project) == []
    assert not RenderFolder.objects.exists()


def test_a_batch_stops_at_the_first_that_cannot_be_paid(
    make_user: Make, client_of: Make, film_of: Make, looked_at: list[Any]
) -> None:
    poor = make_user(balance=2)
    client = client_of(poor)
    projects = [film_of(poor, client) for _ in range(4)]

    answer = batch(client, *projects)

    assert (answer.status_code, answer.json()["required"]) == (402, 3)
    assert len(looked_at) == 2
    assert ledger.get_balance(user_id=poor.pk) == 2
    assert not Job.objects.exists()


def test_one_timeline_of_a_batch_is_looked_at_once(
    user: User, api: APIClient, film_of: Make, looked_at: list[Any]
) -> None:
    project = film_of(user, api)

    answer = batch(api, *[project] * 30)

    assert answer.status_code == 202, answer.json()
    assert len(looked_at) == len(stored(project)) == 1
    assert RenderFolder.objects.get().plans == 1


def test_timelines_of_a_batch_are_bounded_together(
    user: User, api: APIClient, film_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = [film_of(user, api, 2) for _ in range(3)]
    monkeypatch.setattr(budget, "MAX_WORK", 2 * 2 * timelines.WORK_PER_CLIP)

    fits = batch(api, *projects[:2])
    too_much = batch(api, *projects)

    assert fits.status_code == 202
    assert (too_much.status_code, too_much.json()["code"]) == (422, "batch_too_large")
    assert Job.objects.count() == 2


def test_an_estimate_keeps_nothing(
    make_user: Make, client_of: Make, film_of: Make, looked_at: list[Any]
) -> None:
    poor = make_user()
    client = client_of(poor)
    project = film_of(poor, client)
    request_data = {"project_id": str(project.pk)}

    answer = client.post("/jobs/render/estimate", request_data, format="json")

    assert (answer.status_code, answer.json()["credits"]) == (200, 1)
    assert stored(project) == []
    assert not RenderFolder.objects.exists()


def test_as_many_timelines_as_the_bound_are_kept_for_a_user_and_not_one_more(
    user: User, api: APIClient, film_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = film_of(user, api), film_of(user, api)
    monkeypatch.setattr(folders, "MAX_TIMELINES", 2)

    assert [refused(api, item.pk)[0] for item in (first, second)] == [202, 202]
    status, problem = refused(api, first.pk)

    assert (status, problem["code"]) == (409, "too_many_renders")
    assert RenderFolder.objects.get(pk=first.pk).plans == 1


def test_swept_timelines_make_room(
    user: User, api: APIClient, film_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = film_of(user, api)
    assert refused(api, project.pk)[0] == 202
    assert len(stored(project)) == 1
    RenderFolder.objects.update(sweep_at=timezone.now(), plans=7)
    assert folders.sweep_folders() == 0
    assert RenderFolder.objects.get().plans == 1
    RenderFolder.objects.update(sweep_at=timezone.now())
    monkeypatch.setattr(folders, "TIMELINE_MAX_AGE", timedelta(0))

    assert folders.sweep_folders() == 1
    assert not RenderFolder.objects.exists()


def test_what_cannot_be_rendered_is_not_kept(user: User, api: APIClient, film_of: Make) -> None:
    project = film_of(user, api)

    assert refused(api, project.pk, resolution="8192x8192")[1]["code"] == "resolution_too_large"
    assert stored(project) == []


def test_a_timeline_larger_than_its_bound_is_not_kept(
    user: User, api: APIClient, film_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = film_of(user, api)
    _, content = timelines.take_snapshot(project, with_captions=False)
    monkeypatch.setattr(folders, "MAX_STORED_BYTES", len(content) - 1)

    status, problem = refused(api, project.pk)

    assert (status, problem["code"]) == (422, "timeline_too_large")
    assert stored(project) == []


def test_a_caption_of_one_endless_word_can_be_rendered(
    user: User, api: APIClient, film_of: Make
) -> None:
    project = film_of(user, api)
    media_id = str(MediaFile.objects.get().pk)
    texts = {
        "id": "s",
        "media_file_id": media_id,
        "speaker": "Ann",
        "start_ms": 0,
        "end_ms": 900,
        "text": "a" * 20_000,
        "words": [],
    }
    path = f"/projects/{project.pk}/edl"
    tracks = api.get(path).json()["tracks"]
    body = {"tracks": tracks, "transcript": {"segments": [texts]}}
    assert api.put(path, body, format="json", headers={"If-Match": "*"}).status_code == 200

    assert refused(api, project.pk, captions="burned")[0] == 202
