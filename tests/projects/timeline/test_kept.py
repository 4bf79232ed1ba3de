"""What a process keeps of timelines: an edit reads nothing twice, and nobody edits an old version.

Another process is another `SessionCache`.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from pymongo.collection import Collection
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile
from projects import edl
from projects.models import Project
from projects.timeline import session, session_cache
from projects.timeline.session_cache import SessionCache
from tests.projects.timeline.asking import (
    add,
    errors,
    json_patch,
    operate,
    problem,
    put,
    speak,
    tracks,
    url,
)
from tests.projects.timeline.making import check_stored

Json = dict[str, Any]
Stored = Callable[[Project], Json]
MOVE: Json = {"op": "move_clip", "clip_id": "c0", "start_ms": 20_000}


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> "SessionCache[session.Session]":
    """What this process keeps: nothing yet."""
    fresh: SessionCache[session.Session] = SessionCache()
    monkeypatch.setattr(session, "SESSIONS", fresh)
    return fresh


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Another process, as a block."""
    other: SessionCache[session.Session] = SessionCache()

    @contextmanager
    def block() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(session, "SESSIONS", other)
            yield

    return block


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of MongoDB for edits: the fields of each."""
    asked: list[Any] = []
    find = edl._find_one

    def counting(which: Any, fields: Any) -> Any:
        asked.append(sorted(fields))
        return find(which, fields)

    monkeypatch.setattr(edl, "_find_one", counting)
    return asked


@pytest.fixture
def begun(api: APIClient, project: Project, film: MediaFile) -> str:
    """The tag of the version after an edit by this process."""
    return str(put(api, project, {"tracks": tracks(film, 0, 5000)})["ETag"])


@pytest.mark.django_db
def test_an_edit_of_the_version_that_was_made_here_reads_nothing(
    api: APIClient, project: Project, begun: str, reads: list[Any], stored: Stored
) -> None:
    reads.clear()
    with CaptureQueriesContext(database) as statements:
        edited = operate(api, project, MOVE, **{"If-Match": begun})

    assert edited.status_code == 200
    assert reads == []
    assert len([each for each in statements if "projects" in each["sql"]]) == 1
    check_stored(stored(project))


@pytest.mark.django_db
def test_an_edit_of_the_latest_asks_which_that_is(
    api: APIClient, project: Project, begun: str, reads: list[Any]
) -> None:
    reads.clear()

    assert operate(api, project, MOVE).status_code == 200
    assert reads == [["version"]]


@pytest.mark.django_db
def test_only_what_is_not_kept_is_read(
    api: APIClient, project: Project, film: MediaFile, reads: list[Any], stored: Stored
) -> None:
    said = speak(project, film)
    tag = put(api, project, {"tracks": tracks(film, 0)})["ETag"]
    word = {"op": "delete_words", "segment_id": said, "first": 0}
    reads.clear()

    first = operate(api, project, word, **{"If-Match": tag})
    read = list(reads)
    second = operate(api, project, {**word, "first": 1}, **{"If-Match": first["ETag"]})

    assert read == [
        ["transcript.segments.id", "transcript_bytes", "version"],
        ["transcript.segments", "version"],
    ]
    assert (second.status_code, reads) == (200, read)
    check_stored(stored(project))


@pytest.mark.django_db
def test_undo_and_redo_read_their_step_alone(
    api: APIClient, project: Project, begun: str, reads: list[Any], stored: Stored
) -> None:
    before = stored(project)["tracks"]
    operate(api, project, MOVE, **{"If-Match": begun})
    after = stored(project)["tracks"]
    reads.clear()

    api.post(url(project, "/edl/undo"))
    assert stored(project)["tracks"] == before
    api.post(url(project, "/edl/redo"))
    assert stored(project)["tracks"] == after
    assert reads == [["undo_stack", "version"], ["redo_stack", "version"]]


@pytest.mark.django_db
def test_what_another_process_has_made_is_neither_lost_nor_missed(
    api: APIClient,
    project: Project,
    film: MediaFile,
    begun: str,
    elsewhere: Callable[[], Any],
    stored: Stored,
) -> None:
    with elsewhere():
        operate(api, project, add(film, 9000, clip_id="theirs"))

    old = operate(api, project, MOVE, **{"If-Match": begun})
    latest = operate(api, project, {**MOVE, "clip_id": "theirs"})
    with elsewhere():
        operate(api, project, {**MOVE, "start_ms": 30_000})
    either = operate(
        api, project, {**MOVE, "start_ms": 40_000}, **{"If-Match": f'{latest["ETag"]}, "5"'}
    )

    assert (problem(old), old.json()["version"]) == ((412, "stale_edl"), 3)
    assert (latest.status_code, latest.json()["version"]) == (200, 4)
    assert (either.status_code, either.json()["version"]) == (200, 6)
    starts = {clip["id"]: clip["start_ms"] for clip in stored(project)["tracks"][0]["clips"]}
    assert starts == {"c0": 40_000, "c5000": 5000, "theirs": 20_000}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wanted", [{**MOVE, "clip_id": "nobody"}, {**MOVE, "start_ms": 5000}, {**MOVE, "start_ms": 0}]
)
def test_an_old_version_is_told_so_whatever_is_wrong_with_the_edit(
    wanted: Json,
    api: APIClient,
    project: Project,
    film: MediaFile,
    begun: str,
    elsewhere: Callable[[], Any],
) -> None:
    """A refusal, or that nothing changes, must not be told of a version that is gone."""
    with elsewhere():
        operate(api, project, add(film, 9000))

    assert problem(operate(api, project, wanted, **{"If-Match": begun})) == (412, "stale_edl")


@pytest.mark.django_db
def test_of_the_current_version_refusals_and_edits_of_nothing_are_told(
    api: APIClient, project: Project, begun: str
) -> None:
    refused = operate(api, project, {**MOVE, "clip_id": "nobody"}, **{"If-Match": begun})
    nothing = operate(api, project, {**MOVE, "start_ms": 0}, **{"If-Match": begun})

    assert errors(refused) == [("operations.0.clip_id", "unknown_clip")]
    assert (nothing.status_code, nothing["ETag"]) == (200, begun)


@pytest.mark.django_db
def test_another_document_of_the_same_version_is_not_taken_for_it(
    api: APIClient, project: Project, begun: str, edls: Collection[Json], stored: Stored
) -> None:
    """As after a backup was restored, and edited up to the same number."""
    before = stored(project)
    edls.update_one(
        {"_id": before["_id"]},
        {"$set": {"tracks": [], "updated_at": before["created_at"]}},
    )

    answer = operate(api, project, MOVE, **{"If-Match": begun})

    assert errors(answer) == [("operations.0.clip_id", "unknown_clip")]
    assert stored(project)["tracks"] == []


@pytest.mark.django_db
def test_what_is_kept_of_a_lost_document_hides_nothing(
    api: APIClient, project: Project, begun: str, edls: Collection[Json]
) -> None:
    edls.delete_one({"project_id": str(project.pk)})

    for headers in ({"If-Match": begun}, {}):
        assert problem(operate(api, project, MOVE, **headers)) == (503, "timeline_missing")
    assert edls.find_one({"project_id": str(project.pk)}) is None


@pytest.mark.django_db
def test_nobody_else_comes_to_what_is_kept(
    api: APIClient,
    project: Project,
    begun: str,
    kept: "SessionCache[session.Session]",
    client_of: Callable[[User], APIClient],
    make_user: Callable[..., User],
) -> None:
    stranger = client_of(make_user())
    tag = {"If-Match": begun}
    theirs = [
        operate(stranger, project, MOVE, **tag),
        operate(stranger, project, MOVE),
        json_patch(stranger, project, [{"op": "remove", "path": "/tracks/0"}], begun),
        stranger.post(url(project, "/edl/undo")),
    ]

    assert kept.get((project.pk, project.user_id)) is not None
    assert [problem(each) for each in theirs] == [(404, "not_found")] * 4
    assert operate(api, project, MOVE, **tag).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_deleted_project_is_gone_though_it_is_kept(
    where: str,
    api: APIClient,
    project: Project,
    begun: str,
    kept: "SessionCache[session.Session]",
    edls: Collection[Json],
    elsewhere: Callable[[], Any],
) -> None:
    key = (project.pk, project.user_id)
    if where == "here":
        assert api.delete(url(project, "")).status_code == 204
        assert (kept.get(key), kept.size_bytes) == (None, 0)
    else:
        with elsewhere():
            assert api.delete(url(project, "")).status_code == 204

    again = [
        operate(api, project, MOVE, **{"If-Match": begun}),
        operate(api, project, MOVE),
        api.post(url(project, "/edl/undo")),
    ]

    assert [problem(each) for each in again] == [(404, "not_found")] * 3
    assert edls.count_documents({"project_id": str(project.pk)}) == 0


A, B, C = ((uuid.UUID(int=number), uuid.UUID(int=9)) for number in range(3))


def test_as_many_bytes_are_kept_as_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_cache, "MAX_CACHED_BYTES", 100)
    some: SessionCache[str] = SessionCache()

    some.put(A, "a", 60)
    some.put(B, "b", 40)
    assert (some.get(A), some.get(B), some.size_bytes) == ("a", "b", 100)
    some.put(A, "a again", 59)
    some.put(C, "c", 2)
    assert (some.get(A), some.get(B), some.get(C)) == ("a again", None, "c")
    some.put(C, "too large", 101)
    assert (some.get(A), some.get(C), some.size_bytes) == (None, None, 0)


def test_what_nobody_edits_goes_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    some: SessionCache[str] = SessionCache()
    some.put(A, "a", 1)
    some.put(B, "b", 1)
    assert some.get(A) == "a"

    monkeypatch.setattr(session_cache, "MAX_CACHED_SECONDS", 0)
    some.put(C, "c", 1)

    assert (some.get(A), some.get(B), some.get(C), some.size_bytes) == (None, None, "c", 1)


def test_what_is_forgotten_is_gone() -> None:
    some: SessionCache[str] = SessionCache()
    some.put(A, "a", 1)

    some.forget(A)
    some.forget(B)

    assert (some.get(A), some.size_bytes) == (None, 0)
