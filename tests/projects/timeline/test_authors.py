"""Whose edits those are that can be undone and redone; and edits that are sent twice by one key."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import bson
import pytest
from pymongo.collection import Collection
from rest_framework.test import APIClient

from accounts.api_keys import keys
from accounts.models import User
from auteur.core.api.scopes import Scope
from media.models import MediaFile
from projects import documents, serializers
from projects.models import Project
from projects.timeline import editing, history
from tests.conftest import by_key
from tests.projects.timeline.asking import (
    JSON_PATCH,
    json_patch,
    operate,
    problem,
    put,
    speak,
    tracks,
    url,
)
from tests.projects.timeline.making import parsed

pytestmark = pytest.mark.django_db

MakeKey = Callable[..., keys.NewKey]
Stored = Callable[[Project], dict[str, Any]]

MOVE = {"op": "move_clip", "clip_id": "c0", "start_ms": 9000}
SPLIT = {"op": "split_clip", "clip_id": "c5000", "at_ms": 5300}
ADD_TRACK = {"op": "add_track", "type": "audio", "name": "A"}


def history_of(api: APIClient, project: Project) -> dict[str, Any]:
    response = api.get(url(project, "/edl/history"))
    body: dict[str, Any] = response.json()
    assert (response.status_code, response["ETag"]) == (200, f'"{body["version"]}"')
    assert serializers.HistorySerializer(body).data == body
    for stack in (body["undo"], body["redo"]):
        assert [step["depth"] for step in stack] == [*range(1, len(stack) + 1)]
    return body


def told(steps: list[dict[str, Any]]) -> list[tuple[str | None, list[str] | None]]:
    return [(each["author"] and each["author"]["name"], each["operations"]) for each in steps]


@pytest.fixture
def ann(user: User) -> User:
    user.name = "Ann"
    user.save()
    return user


def test_each_edit_names_who_made_it_and_by_what(
    api: APIClient, ann: User, project: Project, film: MediaFile, make_key: MakeKey
) -> None:
    key = make_key()
    agent = by_key(key)
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    said = speak(project, film)
    operate(agent, project, SPLIT, ADD_TRACK, {**ADD_TRACK, "name": "B"})
    json_patch(api, project, [{"op": "remove", "path": "/tracks/2"}])
    edit = {"edited_text": "Uno", "words": [{"index": 0, "deleted": True}]}
    agent.patch(url(project, f"/transcript/segments/{said}"), edit, format="json")

    found = history_of(api, project)

    assert told(found["undo"]) == [
        ("Script", ["edit_segment", "delete_words"]),
        ("Ann", ["patch"]),
        ("Script", ["split_clip", "add_track"]),
        ("Ann", ["replace"]),
    ]
    assert found["undo"][0]["author"] == {
        "type": "api_key",
        "id": str(key.row.pk),
        "name": "Script",
    }
    assert found["undo"][1]["author"] == {"type": "user", "id": str(ann.pk), "name": "Ann"}
    times = [datetime.fromisoformat(each["made_at"]) for each in found["undo"]]
    assert times == sorted(times, reverse=True)
    assert (found["version"], found["redo"]) == (6, [])
    assert history_of(by_key(make_key(Scope.READ)), project) == found


def test_undo_and_redo_tell_whose_edit_it_was_which_stays_theirs(
    api: APIClient, ann: User, project: Project, film: MediaFile, make_key: MakeKey
) -> None:
    agent = by_key(make_key())
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    operate(agent, project, MOVE)
    before = history_of(api, project)

    undone = [each.post(url(project, "/edl/undo")).json() for each in (api, agent)]
    between = history_of(api, project)
    redone = [each.post(url(project, "/edl/redo")).json() for each in (agent, api)]

    assert told(undone) == [("Script", ["move_clip"]), ("Ann", ["replace"])]
    assert told(redone) == [("Ann", ["replace"]), ("Script", ["move_clip"])]
    assert (between["undo"], told(between["redo"])) == ([], told(redone))
    for body in (*undone, *redone):
        assert serializers.SteppedSerializer(body).data == body
    after = history_of(api, project)
    assert after == before | {"version": 7}
    assert "author" not in operate(api, project, {**MOVE, "start_ms": 20_000}).json()


def test_a_delivery_is_no_edit_and_leaves_each_its_author(
    api: APIClient, ann: User, project: Project, film: MediaFile, make_key: MakeKey, stored: Stored
) -> None:
    said = speak(project, film)
    edit = {"op": "edit_segment", "segment_id": said, "edited_text": "Uno"}
    operate(api, project, edit, ADD_TRACK)
    operate(by_key(make_key()), project, {**ADD_TRACK, "name": "B"})
    before = history_of(api, project)

    speak(project, film)

    after = history_of(api, project)
    assert after == before | {"version": before["version"] + 1}
    for step in stored(project)["undo_stack"]:
        assert step["bytes"] == len(bson.encode(step["edit"]))


def test_the_name_of_a_key_is_that_of_then_and_that_of_a_user_todays(
    api: APIClient, ann: User, project: Project, make_key: MakeKey, stored: Stored
) -> None:
    key = make_key()
    operate(api, project, ADD_TRACK)
    operate(by_key(key), project, {**ADD_TRACK, "name": "B"})
    api.patch(f"/api-keys/{key.row.pk}", {"name": "Other"}, format="json")
    api.delete(f"/api-keys/{key.row.pk}")
    api.patch("/users/me", {"name": "Anna"}, format="json")

    assert told(history_of(api, project)["undo"]) == [
        ("Script", ["add_track"]),
        ("Anna", ["add_track"]),
    ]
    assert "Ann" not in str(stored(project))


def test_steps_of_before_tell_nobody(
    api: APIClient, project: Project, film: MediaFile, edls: Collection[dict[str, Any]]
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    operate(api, project, MOVE)
    unset = {"undo_stack.0.edit.author": 1, "undo_stack.0.edit.operations": 1}
    edls.update_one({"project_id": str(project.pk)}, {"$unset": unset})

    listed = history_of(api, project)["undo"]
    undone = [api.post(url(project, "/edl/undo")).json() for _ in range(2)]
    redone = api.post(url(project, "/edl/redo")).json()

    assert [each["operations"] for each in listed] == [["move_clip"], None]
    assert listed[1]["author"] is undone[1]["author"] is redone["author"] is None
    assert undone[1]["operations"] is redone["operations"] is None


def test_what_undo_does_not_follow_is_not_listed(
    api: APIClient, project: Project, edls: Collection[dict[str, Any]]
) -> None:
    operate(api, project, ADD_TRACK)
    edls.update_one(
        {"project_id": str(project.pk)}, {"$set": {"undo_stack.0.edit.kind": "replace_segments"}}
    )
    operate(api, project, {**ADD_TRACK, "name": "B"})

    assert len(history_of(api, project)["undo"]) == 1


def test_as_many_are_listed_as_are_kept(api: APIClient, project: Project, film: MediaFile) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    for start in range(1, documents.MAX_UNDO_DEPTH):  # more than a minute allows by HTTP
        editing.apply_operations(
            project_id=project.pk,
            user_id=project.user_id,
            versions=None,
            operations=parsed({**MOVE, "start_ms": start}),
        )
    full = history_of(api, project)["undo"]

    operate(api, project, MOVE)

    past = history_of(api, project)["undo"]
    assert len(full) == len(past) == documents.MAX_UNDO_DEPTH
    assert [full[-1]["operations"], past[-1]["operations"]] == [["replace"], ["move_clip"]]


def test_who_made_a_step_counts_among_its_bytes(
    api: APIClient, project: Project, make_key: MakeKey, stored: Stored
) -> None:
    operate(by_key(make_key()), project, ADD_TRACK)

    (step,) = stored(project)["undo_stack"]
    assert set(step["edit"]) == {"kind", "changes", "author", "operations"}
    assert step["bytes"] == len(bson.encode(step["edit"]))
    edit = history.Attribution(step["edit"]["author"], ["add_track"]).build_inverse([])
    _, stacks = history.record_step(history.Stacks([], []), edit, "edit")
    assert stacks.undo[0]["bytes"] == len(bson.encode(edit))


def test_anothers_history_does_not_exist(
    client_of: Callable[[User], APIClient], make_user: Callable[..., User], project: Project
) -> None:
    found = client_of(make_user()).get(url(project, "/edl/history"))

    assert problem(found) == (404, "not_found")


def test_a_key_needs_the_scope_to_read(project: Project, make_key: MakeKey) -> None:
    found = by_key(make_key(Scope.JOBS)).get(url(project, "/edl/history"))

    assert problem(found) == (403, "scope_required")


Send = Callable[[Any, str], Any]


@pytest.fixture(params=["operations", "patch", "replace", "segment"])
def send(
    request: pytest.FixtureRequest, api: APIClient, project: Project, film: MediaFile
) -> tuple[Send, Any, Any]:
    """One way to edit, by a body and a key, and two bodies for it."""
    put(api, project, {"tracks": tracks(film, 0)})
    said = speak(project, film)
    split, also = ({"op": "split_clip", "clip_id": "c0", "at_ms": at} for at in (300, 200))
    track = {"id": "new", "type": "audio", "name": "A", "clips": []}
    add, other = ([{"op": "add", "path": "/tracks/-", "value": {**track, "id": i}}] for i in "ab")
    segment = url(project, f"/transcript/segments/{said}")
    ways: dict[str, Any] = {
        "operations": (api.patch, url(project), {"operations": [split]}, {"operations": [also]}),
        "patch": (api.patch, url(project), add, other),
        "replace": (
            api.put,
            url(project),
            {"tracks": tracks(film, 0, 5000)},
            {"tracks": tracks(film, 7000)},
        ),
        "segment": (api.patch, segment, {"edited_text": "Uno"}, {"edited_text": "Due"}),
    }
    method, path, body, another = ways[request.param]

    def sent(given: Any, key: str) -> Any:
        headers = {"If-Match": "*", "Idempotency-Key": key}
        if request.param == "patch":
            data = json.dumps(given)
            return method(path, data, content_type=JSON_PATCH, headers=headers)
        return method(path, given, format="json", headers=headers)

    return sent, body, another


def test_an_edit_that_is_sent_twice_with_one_key_is_made_once(
    api: APIClient, project: Project, send: tuple[Send, Any, Any]
) -> None:
    sent, body, other = send
    before = api.get(url(project)).json()["version"]

    first, second = sent(body, "once"), sent(body, "once")
    conflicting = sent(other, "once")

    assert first.status_code == 200
    assert (second.content, second["ETag"]) == (first.content, first["ETag"])
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert problem(conflicting) == (409, "idempotency_conflict")
    assert api.get(url(project)).json()["version"] == before + 1 == first.json()["version"]
    assert sent(other, "again").json()["version"] == before + 2


def test_a_refused_edit_keeps_no_key(api: APIClient, project: Project, film: MediaFile) -> None:
    put(api, project, {"tracks": tracks(film, 0, 5000)}, '"1"')
    headers = {"Idempotency-Key": "once"}

    stale = operate(api, project, MOVE, **{"If-Match": '"1"'}, **headers)
    made = operate(api, project, MOVE, **{"If-Match": '"2"'}, **headers)
    again = operate(api, project, MOVE, **{"If-Match": '"2"'}, **headers)

    assert problem(stale) == (412, "stale_edl")
    assert (made.status_code, again.content) == (200, made.content)
