"""The EDL document: made once, scoped by user, changed by compare-and-set, bounded history."""

import uuid
from collections.abc import Callable
from typing import Any

import bson
import pytest
from pymongo.collection import Collection

from accounts.models import User
from auteur.core.api.problems import NotFoundProblem
from projects import edl
from projects.documents import (
    MAX_STACK_BYTES,
    MAX_TRACKS_BYTES,
    MAX_TRANSCRIPT_BYTES,
    MAX_UNDO_DEPTH,
    EditDecisionList,
)
from projects.models import Project
from projects.timeline import history

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]


def edit(project: Project, version: int, inverse: dict[str, Any], duration_ms: int = 0) -> int:
    key = {"project_id": project.pk, "user_id": project.user_id}
    document = edl.find_document(**key, fields={"undo_stack.bytes": 1})
    update, _ = history.record_step(history.Stacks(document["undo_stack"], []), inverse, "edit")
    update["$set"]["settings.duration_ms"] = duration_ms
    return edl.compare_and_set(**key, expected_version=version, update=update)


def inverse_of(size_bytes: int) -> dict[str, Any]:
    return {"pad": "x" * (size_bytes - len(bson.encode({"pad": ""})))}


def test_a_blank_document_has_every_field(project: Project, stored: Stored) -> None:
    document = stored(project)

    assert project.edl_id == str(document.pop("_id"))
    assert document.pop("created_at") == document.pop("updated_at")
    assert document == {
        "project_id": str(project.pk),
        "user_id": str(project.user_id),
        "version": 1,
        "settings": {
            "resolution": {"width": 1920, "height": 1080},
            "frame_rate": 30,
            "duration_ms": 0,
        },
        "tracks": [],
        "transcript": {"generated_at": None, "segments": []},
        "transcript_bytes": len(bson.encode({"generated_at": None, "segments": []})),
        "undo_stack": [],
        "redo_stack": [],
        "applied_jobs": [],
    }


def test_reading_shows_depths_instead_of_stacks(project: Project) -> None:
    edit(project, 1, {"kind": "a"})

    document = edl.read_edl(project_id=project.pk, user_id=project.user_id)

    assert set(document) == {*edl.CONTENT, "undo_depth", "redo_depth"}
    assert (document["undo_depth"], document["redo_depth"]) == (1, 0)


def never_had_a_timeline(project: Project, edls: Collection[dict[str, Any]]) -> None:
    """Leave the project as if MongoDB had been away when it was created."""
    edls.delete_one({"project_id": str(project.pk)})
    Project.objects.filter(pk=project.pk).update(edl_id=None, edl_version=None)
    project.refresh_from_db()


def test_a_missing_document_is_made_on_first_use(
    project: Project, edls: Collection[dict[str, Any]], stored: Stored
) -> None:
    never_had_a_timeline(project, edls)

    document = edl.read_edl(project_id=project.pk, user_id=project.user_id)

    project.refresh_from_db()
    assert document["version"] == 1
    assert project.edl_id == str(stored(project)["_id"])


def test_another_users_document_is_neither_read_nor_made(
    project: Project, make_user: Callable[..., User], edls: Collection[dict[str, Any]]
) -> None:
    stranger = make_user()

    with pytest.raises(NotFoundProblem):
        edl.read_edl(project_id=project.pk, user_id=stranger.pk)

    assert edls.count_documents({"project_id": str(project.pk)}) == 1


def test_another_users_document_is_not_changed_or_deleted(
    project: Project, make_user: Callable[..., User], stored: Stored
) -> None:
    stranger = make_user()

    with pytest.raises(NotFoundProblem):
        edl.compare_and_set(
            project_id=project.pk,
            user_id=stranger.pk,
            expected_version=1,
            update={"$set": {"tracks": []}},
        )
    edl.delete_document(project_id=project.pk, user_id=stranger.pk)

    assert stored(project)["version"] == 1


def test_an_edit_raises_the_version_and_keeps_its_inverse(project: Project, stored: Stored) -> None:
    version = edit(project, 1, {"kind": "duration", "value": 0}, duration_ms=5000)

    document = stored(project)
    assert (version, document["version"]) == (2, 2)
    assert document["settings"]["duration_ms"] == 5000
    assert [step["edit"] for step in document["undo_stack"]] == [{"kind": "duration", "value": 0}]
    assert document["updated_at"] > document["created_at"]
    EditDecisionList._from_son(document).validate()


def test_a_stale_edit_changes_nothing_and_tells_the_version(
    project: Project, stored: Stored
) -> None:
    edit(project, 1, {"kind": "a"}, duration_ms=1)

    with pytest.raises(edl.StaleEdlProblem) as stale:
        edit(project, 1, {"kind": "b"}, duration_ms=2)

    assert stale.value.status_code == 412
    assert stale.value.extra == {"version": 2}
    assert stored(project)["settings"]["duration_ms"] == 1


def test_the_undo_stack_forgets_its_oldest_step_past_its_depth(
    project: Project, stored: Stored
) -> None:
    for number in range(MAX_UNDO_DEPTH):
        edit(project, number + 1, {"number": number})
    full = [step["edit"]["number"] for step in stored(project)["undo_stack"]]

    edit(project, MAX_UNDO_DEPTH + 1, {"number": MAX_UNDO_DEPTH})

    past = [step["edit"]["number"] for step in stored(project)["undo_stack"]]
    assert full == list(range(MAX_UNDO_DEPTH))
    assert past == list(range(1, MAX_UNDO_DEPTH + 1))


@pytest.mark.parametrize(("excess", "depth"), [(0, 2), (1, 1)])
def test_the_undo_stack_forgets_its_oldest_step_past_its_bytes(
    project: Project, excess: int, depth: int
) -> None:
    half = MAX_STACK_BYTES // 2

    edit(project, 1, inverse_of(half))
    edit(project, 2, inverse_of(MAX_STACK_BYTES - half + excess))

    document = edl.read_edl(project_id=project.pk, user_id=project.user_id)
    assert document["undo_depth"] == depth


def test_an_edit_whose_inverse_fits_no_stack_is_refused(project: Project, stored: Stored) -> None:
    edit(project, 1, inverse_of(MAX_STACK_BYTES))

    with pytest.raises(edl.EdlTooLargeProblem):
        edit(project, 2, inverse_of(MAX_STACK_BYTES + 1))

    assert stored(project)["version"] == 2


def test_the_bounds_together_stay_below_mongodbs() -> None:
    parts = MAX_TRANSCRIPT_BYTES + MAX_TRACKS_BYTES + 2 * MAX_STACK_BYTES

    assert 16 * 1024**2 - parts >= 256 * 1024
    assert max(MAX_TRANSCRIPT_BYTES, MAX_TRACKS_BYTES) < MAX_STACK_BYTES


def test_new_settings_are_a_version_without_undo(project: Project, stored: Stored) -> None:
    project.resolution = "640x480"

    edl.write_settings(project)

    document = stored(project)
    assert document["version"] == 2
    assert document["settings"]["resolution"] == {"width": 640, "height": 480}
    assert document["undo_stack"] == []


def test_new_settings_make_a_missing_document(
    project: Project, edls: Collection[dict[str, Any]], stored: Stored
) -> None:
    never_had_a_timeline(project, edls)
    project.frame_rate = 24

    edl.write_settings(project)

    assert stored(project)["settings"]["frame_rate"] == 24


def test_a_project_without_a_row_has_no_document(user: User) -> None:
    with pytest.raises(NotFoundProblem):
        edl.read_edl(project_id=uuid.uuid4(), user_id=user.pk)
