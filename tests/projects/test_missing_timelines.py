"""A timeline that MongoDB has lost is never replaced by an empty one."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pymongo.collection import Collection
from rest_framework.test import APIClient

from accounts.models import User
from projects import authoring, edl, personal_data, transcript
from projects.models import Project
from projects.timeline import session
from tests.projects.timeline.asking import operate

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
Edls = Collection[Json]
ADD_TRACK = {"op": "add_track", "type": "video", "name": "V"}


def loses_its_timeline(project: Project, edls: Edls) -> None:
    edls.delete_one({"project_id": str(project.pk)})


@pytest.fixture
def lost(project: Project, edls: Edls) -> Project:
    """A project whose timeline was edited once, and then lost."""
    key = {"project_id": project.pk, "user_id": project.user_id}
    edl.compare_and_set(**key, expected_version=1, update={})
    edl.note_version(project.pk, 2)
    loses_its_timeline(project, edls)
    session.SESSIONS.forget((project.pk, project.user_id))
    project.refresh_from_db()
    return project


READS = [
    "",
    "/edl",
    "/edl/history",
    "/edl/export?format=otio",
    "/transcript",
    "/transcript.srt",
    "/transcript.json",
    "/placeholders",
    "/frame?at_ms=0",
]


@pytest.mark.parametrize("path", READS)
def test_a_read_answers_a_problem_and_writes_nothing(
    api: APIClient, lost: Project, edls: Edls, path: str
) -> None:
    answer = api.get(f"/projects/{lost.pk}{path}")

    assert (answer.status_code, answer.json()["code"]) == (503, "timeline_missing")
    assert "Retry-After" not in answer
    assert edls.find_one({"project_id": str(lost.pk)}) is None


def test_a_loss_is_reported_once_however_often_somebody_asks(
    api: APIClient, lost: Project, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert api.get(f"/projects/{lost.pk}/edl").status_code == 503
    assert caplog.text.count("its timeline is missing in MongoDB") == 1
    assert str(lost.pk) in caplog.text


WRITES: list[tuple[str, str, Json]] = [
    ("patch", "", {"resolution": "640x480"}),
    ("patch", "/edl", {"operations": [ADD_TRACK]}),
    ("put", "/edl", {"tracks": []}),
    ("post", "/edl/undo", {}),
    ("post", "/edl/redo", {}),
    ("post", "/copies", {"name": "Copy"}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_an_edit_answers_a_problem_and_writes_nothing(
    api: APIClient, lost: Project, edls: Edls, method: str, path: str, body: Json
) -> None:
    headers = {"If-Match": "*"} if method == "put" else {}
    ask = getattr(api, method)

    answer = ask(f"/projects/{lost.pk}{path}", body, format="json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (503, "timeline_missing")
    assert edls.find_one({"project_id": str(lost.pk)}) is None
    assert Project.objects.get(pk=lost.pk).resolution == lost.resolution
    assert Project.objects.filter(user_id=lost.user_id).count() == 1


def test_a_render_is_refused_and_costs_nothing(
    api: APIClient, lost: Project, user: User, edls: Edls
) -> None:
    answer = api.post("/jobs/render", {"project_id": str(lost.pk)}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (503, "timeline_missing")
    assert edls.find_one({"project_id": str(lost.pk)}) is None
    user.credits.refresh_from_db()
    assert user.credits.balance == 100


def test_a_transcript_waits_for_its_timeline(lost: Project, edls: Edls) -> None:
    with pytest.raises(edl.TimelineMissingProblem):
        transcript.merge_transcript(
            project_id=lost.pk,
            user_id=lost.user_id,
            media_file_id=uuid.uuid4(),
            job_id=uuid.uuid4(),
            segments=[],
        )
    assert edls.find_one({"project_id": str(lost.pk)}) is None


def test_the_rest_of_a_persons_data_is_exported(lost: Project, user: User, edls: Edls) -> None:
    other = authoring.create(user_id=user.pk, fields={"name": "Kept"})

    exported = {row["id"]: row["edl"] for row in personal_data._iterate_projects_with_edls(user.pk)}

    assert exported[lost.pk] is None
    assert exported[other.pk]["version"] == 1
    assert edls.find_one({"project_id": str(lost.pk)}) is None


def test_a_first_edit_is_enough_to_have_had_a_timeline(
    api: APIClient,
    user: User,
    edls: Edls,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    """Of rows from before, the document's id may be unknown."""
    project = authoring.create(user_id=user.pk, fields={"name": "Old"})
    Project.objects.filter(pk=project.pk).update(edl_id=None, edl_version=None)
    with django_capture_on_commit_callbacks(execute=True):
        assert operate(api, project, ADD_TRACK).status_code == 200
    loses_its_timeline(project, edls)

    answer = api.get(f"/projects/{project.pk}/edl")

    assert Project.objects.get(pk=project.pk).edl_version == 2
    assert (answer.status_code, answer.json()["code"]) == (503, "timeline_missing")


def test_edits_in_a_row_are_noted_once(
    api: APIClient, project: Project, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks() as notes:
        operate(api, project, ADD_TRACK)
        operate(api, project, ADD_TRACK)
    assert len(notes) == 1


def test_a_reset_goes_on_beyond_what_clients_have_seen(
    api: APIClient, lost: Project, edls: Edls
) -> None:
    call_command("edl_reset", str(lost.pk))

    document = api.get(f"/projects/{lost.pk}/edl").json()
    assert (document["version"], document["tracks"]) == (3, [])
    assert operate(api, lost, ADD_TRACK).json()["version"] == 4

    call_command("edl_reset", str(lost.pk))  # once more changes nothing
    assert api.get(f"/projects/{lost.pk}/edl").json()["version"] == 4
    with pytest.raises(CommandError, match="no such projects"):
        call_command("edl_reset", str(uuid.uuid4()))
