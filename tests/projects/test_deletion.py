"""Deleting a project: open work first, then all that is in it, whatever comes in between."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.test.utils import CaptureQueriesContext
from pymongo.collection import Collection
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api.problems import NotFoundProblem
from jobs import hooks
from jobs.models import Job
from media.models import MediaFile, MediaType
from projects import deletion
from projects.models import Project

pytestmark = pytest.mark.django_db


def add_media(project: Project) -> MediaFile:
    key = f"users/{project.user_id}/{uuid.uuid4()}.wav"
    return MediaFile.objects.create(
        project=project,
        user_id=project.user_id,
        name="speech.wav",
        type=MediaType.AUDIO,
        r2_key=key,
        r2_url=f"http://localhost/{key}",
    )


@pytest.fixture
def hook_calls() -> Iterator[list[tuple[uuid.UUID, bool, bool]]]:
    """Calls of a registered hook: which project, whether it stood, whether in a transaction."""
    calls: list[tuple[uuid.UUID, bool, bool]] = []

    def hook(project: Project) -> Iterator[object]:
        stands = Project.with_deleted.filter(pk=project.pk).exists()
        calls.append((project.pk, stands, connection.in_atomic_block))
        yield project

    deletion.register_before_delete(hook)
    deletion.register_before_delete(hook)
    yield calls
    deletion._before_delete.remove(hook)


def test_a_project_goes_with_its_media_and_its_edl(
    api: APIClient, project: Project, edls: Collection[dict[str, Any]]
) -> None:
    media = add_media(project)

    response = api.delete(f"/projects/{project.pk}")

    assert (response.status_code, response.content) == (204, b"")
    assert not Project.objects.filter(pk=project.pk).exists()
    assert not MediaFile.objects.filter(pk=media.pk).exists()
    assert edls.count_documents({"project_id": str(project.pk)}) == 0
    assert api.get(f"/projects/{project.pk}").status_code == 404


def test_another_project_stays(
    api: APIClient, user: User, project: Project, edls: Collection[dict[str, Any]]
) -> None:
    other = Project.objects.create(user=user, name="Other")
    media = add_media(other)
    api.get(f"/projects/{other.pk}")

    api.delete(f"/projects/{project.pk}")

    assert MediaFile.objects.filter(pk=media.pk, project=other).exists()
    assert edls.count_documents({"project_id": str(other.pk)}) == 1


@pytest.mark.django_db(transaction=True)
def test_open_work_is_ended_first_outside_the_transaction(
    project: Project, hook_calls: list[tuple[uuid.UUID, bool, bool]]
) -> None:
    deletion.delete_project(user_id=project.user_id, project_id=project.pk)

    assert hook_calls == [(project.pk, True, False)]


def test_no_work_of_another_user_is_ended(
    project: Project,
    make_user: Callable[..., User],
    hook_calls: list[tuple[uuid.UUID, bool, bool]],
) -> None:
    with pytest.raises(NotFoundProblem):
        deletion.delete_project(user_id=make_user().pk, project_id=project.pk)

    assert hook_calls == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["the cascade", "the row"])
def test_media_that_come_in_between_go_too(
    project: Project, hook_calls: list[tuple[uuid.UUID, bool, bool]], moment: str
) -> None:
    with just_before(moment, lambda: len(hook_calls) == 1 and in_thread(add_media, project)):
        deletion.delete_project(user_id=project.user_id, project_id=project.pk)

    assert len(hook_calls) == 2
    assert not Project.objects.filter(pk=project.pk).exists()
    assert not MediaFile.objects.exists()


@contextlib.contextmanager
def just_before(moment: str, interfere: Callable[[], object]) -> Iterator[None]:
    """Interfere once the project's media are gone, before its row is."""

    def on_signal(**signal: Any) -> None:
        interfere()

    def on_statement(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('DELETE FROM "projects"'):
            interfere()
        return execute(sql, *rest)

    if moment == "the row":
        with connection.execute_wrapper(on_statement):
            yield
    else:
        pre_delete.connect(on_signal, sender=Project)
        yield
        pre_delete.disconnect(on_signal, sender=Project)


def in_thread(function: Callable[..., object], *arguments: object) -> object:
    """Call it with a database connection of its own."""

    def call() -> object:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(call).result()


def test_what_a_request_has_no_time_for_is_gone_on_with(
    api: APIClient, project: Project, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        add_media(project)
    job = make_job_of(project)
    monkeypatch.setattr(deletion, "REQUEST_SECONDS", 0.0)
    monkeypatch.setattr("media.deletion.MEDIA_PER_BATCH", 2)

    assert api.delete(f"/projects/{project.pk}").status_code == 204

    assert api.get(f"/projects/{project.pk}").status_code == 404
    assert api.get("/projects").json()["projects"] == []
    assert api.delete(f"/projects/{project.pk}").status_code == 404
    assert Project.with_deleted.filter(pk=project.pk).exists()
    assert deletion.continue_deletions() == 0  # its request may not have ended
    Project.with_deleted.update(deleted_at=Now() - deletion.REQUEST_TIMEOUT)
    monkeypatch.setattr(deletion, "ROUND_SECONDS", 0.0)
    assert deletion.continue_deletions() == 0
    monkeypatch.setattr(deletion, "ROUND_SECONDS", 60.0)
    assert deletion.continue_deletions() == 1
    assert not Project.with_deleted.exists()
    assert not MediaFile.objects.exists()
    job.refresh_from_db()
    assert (job.project_id, job.status) == (None, "cancelled")


def make_job_of(project: Project) -> Job:
    return Job.objects.create(
        user_id=project.user_id,
        project=project,
        type="noop",
        gpu_class="CPU",
        credits_cost=0,
        start_deadline_at=Now(),
    )


def test_jobs_leave_some_at_a_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "JOBS_PER_BATCH", 2)
    for _ in range(5):
        make_job_of(project)
    with CaptureQueriesContext(connection) as captured:
        deletion.delete_project(user_id=project.user_id, project_id=project.pk)
    leaving = [query for query in captured if "SET project_id = NULL" in query["sql"]]
    assert len(leaving) == 4
    assert Job.objects.filter(project__isnull=True, status="cancelled").count() == 5
