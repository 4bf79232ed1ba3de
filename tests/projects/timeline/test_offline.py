"""Media deleted under the timelines that show it: refused, or forced with a mark on every clip."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from accounts.models import User
from jobs.models import Job
from media import deletion
from media.consents import removal_worker
from media.consents.models import ConsentKind
from media.consents.records import record_consent
from media.consents.revocation import revoke_consent
from media.models import MediaFile, MediaType
from projects import authoring, edl
from projects import deletion as project_deletion
from projects.models import Project
from projects.timeline import editing, offline
from projects.timeline.changes import MAX_TARGETED
from tests.projects.timeline.asking import add, errors, operate, problem, put, tracks, url
from tests.projects.timeline.making import check_stored, parsed
from tests.waiting import until

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]


def marks(project: Project) -> dict[str, bool]:
    """Every clip by its id, and whether it is marked."""
    found = edl.read_edl(project_id=project.pk, user_id=project.user_id)
    return {
        clip["id"]: clip.get("offline", False)
        for track in found["tracks"]
        for clip in track["clips"]
    }


def force(api: APIClient, media: MediaFile) -> None:
    response = api.delete(f"/media/{media.pk}?force=true")
    assert response.status_code == 204, response.content


def test_media_that_is_shown_stays_and_the_answer_says_where(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    operate(api, project, {"op": "delete_clip", "clip_id": "c5000"})

    response = api.delete(f"/media/{film.pk}")

    assert problem(response) == (409, "media_in_use")
    shown = {"project_id": str(project.pk), "name": "Harbour", "clip_count": 1, "clip_ids": ["c0"]}
    assert (response.json()["used_by"], response.json()["shown_in"]) == ([], [shown])
    assert MediaFile.objects.filter(pk=film.pk).exists()
    assert marks(project) == {"c0": False, "c5000": False}
    assert api.delete(f"/media/{film.pk}?force=perhaps").status_code == 400


def test_what_is_told_has_bounds(
    api: APIClient, user: User, film: MediaFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "MAX_PROJECTS_NAMED", 2)
    monkeypatch.setattr(offline, "MAX_CLIPS_NAMED", 2)
    for name in "abc":
        put(
            api,
            authoring.create_project(user_id=user.pk, fields={"name": name}),
            {"tracks": tracks(film, 0, 1000, 2000)},
        )

    shown = api.delete(f"/media/{film.pk}").json()["shown_in"]

    assert [(each["clip_count"], len(each["clip_ids"])) for each in shown] == [(3, 2), (3, 2)]


@pytest.mark.parametrize("path", ["/media/{media}", "/projects/{project}/media/{media}"])
def test_by_force_its_clips_are_marked_and_deleted_ones_too(
    api: APIClient,
    project: Project,
    film: MediaFile,
    make_media: Callable[..., MediaFile],
    stored: Stored,
    path: str,
) -> None:
    MediaFile.objects.filter(pk=film.pk).update(project=project)
    other = make_media(type=MediaType.VIDEO)
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    operate(api, project, {"op": "delete_clip", "clip_id": "c5000"})
    operate(api, project, add(other, 9000, clip_id="other"))

    response = api.delete(path.format(project=project.pk, media=film.pk) + "?force=true")

    assert response.status_code == 204
    assert not MediaFile.objects.filter(pk=film.pk).exists()
    assert marks(project) == {"c0": True, "c5000": True, "other": False}
    answer = api.get(url(project))
    assert (answer["ETag"], answer.json()["undo_depth"]) == ('"5"', 3)
    check_stored(stored(project))


def test_a_revoked_consent_marks_clips_of_what_was_made_of_it(
    api: APIClient, project: Project, film: MediaFile, make_media: Callable[..., MediaFile]
) -> None:
    other = make_media(type=MediaType.VIDEO)
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    operate(api, project, add(other, 20_000, clip_id="other"))
    consent = record_consent(
        user_id=film.user_id, kind=ConsentKind.FACE, subject="Ann", media_ids=[film.pk]
    )

    revoke_consent(consent=consent)
    removal_worker.run_removal(consent.pk)

    assert marks(project) == {"c0": True, "c5000": True, "other": False}
    assert (
        api.post("/jobs/render", {"project_id": str(project.pk)}, format="json").json()["code"]
        == "clips_offline"
    )


def test_more_clips_than_are_written_one_by_one(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    starts = range(0, 1000 * (MAX_TARGETED + 1), 1000)
    short = tracks(film, *starts)
    for clip in short[0]["clips"]:
        clip |= {"in_point_ms": 0, "out_point_ms": 1000}
    put(api, project, {"tracks": short})

    force(api, film)

    assert len(marks(project)) == MAX_TARGETED + 1
    assert all(marks(project).values())
    check_stored(stored(project))


def test_open_work_is_no_matter_of_force(
    api: APIClient, make_job: Callable[..., Job], project: Project
) -> None:
    job = make_job()

    response = api.delete(f"/media/{job.media_ids[0]}?force=true")

    assert problem(response) == (409, "media_in_use")
    assert response.json()["used_by"] == [f"job {job.pk} (transcription)"]


def test_another_users_timeline_never_matters(
    api: APIClient,
    film: MediaFile,
    make_user: Callable[..., User],
    edls: Any,
    project: Project,
) -> None:
    theirs = authoring.create_project(user_id=make_user().pk, fields={"name": "Theirs"})
    key = {"project_id": str(theirs.pk)}
    edls.update_one(key, {"$set": {"tracks": tracks(film, 0)}})

    assert api.delete(f"/media/{film.pk}").status_code == 204
    assert marks(theirs) == {"c0": False}


def test_offline_clips_can_be_edited_and_sent_back(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    force(api, film)
    split = {"op": "split_clip", "clip_id": "c0", "at_ms": 300, "new_clip_id": "half"}
    for operation in (
        {"op": "move_clip", "clip_id": "c5000", "start_ms": 7000},
        split,
        {"op": "delete_clip", "clip_id": "half"},
        {"op": "restore_clip", "clip_id": "half"},
        {"op": "set_effect", "clip_id": "c5000", "effect": {"type": "speed", "rate": 2}},
    ):
        assert operate(api, project, operation).status_code == 200, operation
    assert set(marks(project).values()) == {True}

    whole = api.get(url(project)).json()
    same = put(api, project, whole)
    assert (same.status_code, same.json()["patch"]) == (200, [])
    for clip in whole["tracks"][0]["clips"]:
        clip.pop("offline")
        clip["start_ms"] += 1
    assert put(api, project, whole).status_code == 200
    assert set(marks(project).values()) == {True}
    check_stored(stored(project))


def test_nobody_else_sets_the_mark(api: APIClient, project: Project, film: MediaFile) -> None:
    told = tracks(film, 0)
    told[0]["clips"][0]["offline"] = True

    put(api, project, {"tracks": told})

    assert marks(project) == {"c0": False}


def test_what_is_deleted_cannot_be_shown_anew(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    operate(api, project, {"op": "trim_clip", "clip_id": "c0", "out_point_ms": 100})
    force(api, film)

    assert errors(operate(api, project, add(film, 9000, in_point_ms=5000, out_point_ms=5100))) == [
        ("operations.0.media_file_id", "unknown_media")
    ]


def test_undo_and_redo_bring_no_clip_back_without_its_mark(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    operate(api, project, {"op": "move_clip", "clip_id": "c0", "start_ms": 1})
    put(api, project, {"tracks": []})
    assert api.delete(f"/media/{film.pk}").status_code == 204

    answer = api.post(f"{url(project)}/undo").json()
    assert '"offline": true' in str(answer["patch"]).replace("'", '"').replace("True", "true")
    assert marks(project) == {"c0": True}
    for step in ("undo", "undo", "redo", "redo"):
        assert api.post(f"{url(project)}/{step}").status_code == 200
        assert set(marks(project).values()) <= {True}
    assert marks(project) == {"c0": True}
    check_stored(stored(project))


def test_a_mark_that_is_wrong_goes_with_the_next_edit(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    offline.take_offline(user_id=project.user_id, media_ids=[film.pk])
    assert marks(project) == {"c0": True, "c5000": True}

    operate(api, project, {"op": "move_clip", "clip_id": "c0", "start_ms": 1})

    assert marks(project) == {"c0": False, "c5000": False}


def test_a_projects_media_go_from_the_timelines_of_others(
    api: APIClient, user: User, project: Project, film: MediaFile
) -> None:
    other = authoring.create_project(user_id=user.pk, fields={"name": "Other"})
    MediaFile.objects.filter(pk=film.pk).update(project=other)
    put(api, project, {"tracks": tracks(film, 0)})

    project_deletion.delete_project(user_id=user.pk, project_id=other.pk)

    assert marks(project) == {"c0": True}


@contextmanager
def in_between(sql: str, act: Callable[[], object]) -> Iterator[None]:
    """Act once this thread has run a statement that begins so."""
    acted: list[object] = []

    def on_statement(execute: Any, statement: str, *rest: Any) -> Any:
        result = execute(statement, *rest)
        if statement.startswith(sql) and not acted:
            acted.append(True)
            act()
        return result

    with connection.execute_wrapper(on_statement):
        yield


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot()"
        )  # else the transaction sees the same again
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


def in_thread(threads: ThreadPoolExecutor, function: Callable[[], Any]) -> Future[Any]:
    def call() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    return threads.submit(call)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("forced", [False, True])
def test_a_clip_that_comes_while_its_media_is_deleted(
    api: APIClient, project: Project, film: MediaFile, forced: bool
) -> None:
    """The edit waits for the deletion, and is refused."""
    put(api, project, {"tracks": tracks(film)})
    added: list[Future[Any]] = []

    def add_it() -> None:
        adding = parsed(add(film, 0, clip_id="late"))
        added.append(
            in_thread(
                threads,
                lambda: editing.apply_operations(
                    project_id=project.pk,
                    user_id=project.user_id,
                    versions=None,
                    operations=adding,
                ),
            )
        )
        until(waits_for_a_lock, 20)

    with ThreadPoolExecutor(1) as threads:
        with in_between('DELETE FROM "media_files"', add_it):
            deletion.delete_media(user_id=project.user_id, media_id=film.pk, force=forced)
        assert "no such media file" in str(added[0].exception(timeout=20))
    assert marks(project) == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("forced", [False, True])
def test_media_that_is_deleted_while_a_clip_comes(
    api: APIClient, project: Project, film: MediaFile, forced: bool
) -> None:
    """The deletion waits for the edit, and finds its clip."""
    put(api, project, {"tracks": tracks(film)})
    deleted: list[Future[Any]] = []

    def delete_it() -> None:
        deleted.append(
            in_thread(
                threads,
                lambda: deletion.delete_media(
                    user_id=project.user_id, media_id=film.pk, force=forced
                ),
            )
        )
        until(waits_for_a_lock, 20)

    with ThreadPoolExecutor(1) as threads:
        with in_between('SELECT "media_files"', delete_it):
            assert operate(api, project, add(film, 0, clip_id="late")).status_code == 200
        error = deleted[0].exception(timeout=20)
    assert isinstance(error, deletion.MediaInUseProblem) is not forced
    assert marks(project) == {"late": forced}
