"""Undo and redo, editing by text, whose EDL it is, and editors at once, as clients see it."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile
from projects import documents
from projects.models import Project
from tests.projects.timeline.asking import (
    add,
    errors,
    operate,
    problem,
    put,
    speak,
    tracks,
    url,
)
from tests.projects.timeline.making import check_stored

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]
THREADS = 8
EDITS = 4


def test_edits_are_undone_and_redone(api: APIClient, project: Project, film: MediaFile) -> None:
    put(api, project, {"tracks": tracks(film, 0)})

    undone = api.post(url(project, "/edl/undo"))
    nothing = api.post(url(project, "/edl/undo"))
    redone = api.post(url(project, "/edl/redo"))
    no_more = api.post(url(project, "/edl/redo"))

    assert [(r.json()["version"], r.json()["redo_depth"]) for r in (undone, redone)] == [
        (3, 1),
        (4, 0),
    ]
    assert redone["ETag"] == '"4"'
    assert problem(nothing) == (409, "nothing_to_undo")
    assert problem(no_more) == (409, "nothing_to_redo")
    assert api.get(url(project)).json()["tracks"] == tracks(film, 0)


def test_a_new_edit_forgets_what_could_be_redone(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    api.post(url(project, "/edl/undo"))

    put(api, project, {"tracks": tracks(film, 9000)})

    assert problem(api.post(url(project, "/edl/redo"))) == (409, "nothing_to_redo")


def test_an_undo_asked_for_twice_with_one_key_is_made_once(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    key = {"Idempotency-Key": uuid.uuid4().hex}

    first = api.post(url(project, "/edl/undo"), headers=key)
    second = api.post(url(project, "/edl/undo"), headers=key)

    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"
    assert second["ETag"] == '"4"'
    assert api.get(url(project)).json()["version"] == 4


def test_a_transcript_stays_whatever_its_user_undoes(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    cut = {"op": "delete_clip", "clip_id": "c0", "mode": "gap"}
    operate(api, project, cut)
    said = speak(project, film)
    transcript = api.get(url(project, "/transcript")).json()

    undone = [api.post(url(project, "/edl/undo")) for _ in range(3)]
    branch = put(api, project, {"tracks": tracks(film, 500)})
    nothing = api.post(url(project, "/edl/redo"))

    assert [response.status_code for response in undone] == [200, 200, 409]
    assert branch.json()["undo_depth"] == 1
    assert problem(nothing) == (409, "nothing_to_redo")
    assert api.get(url(project, "/transcript")).json() == transcript
    edit = {"op": "edit_segment", "segment_id": said, "edited_text": "Uno"}
    assert operate(api, project, edit).status_code == 200
    assert api.post(url(project, "/edl/undo")).status_code == 200
    assert api.get(url(project, "/transcript")).json() == transcript


def test_edits_of_replaced_segments_are_undone_on_the_tracks_alone(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    said = speak(project, film)
    put(api, project, {"tracks": tracks(film, 0)})
    before = stored(project)["tracks"]
    operate(api, project, {"op": "delete_words", "segment_id": said, "first": 1})
    cut = stored(project)["tracks"]
    operate(api, project, {"op": "edit_segment", "segment_id": said, "edited_text": "Uno"})
    again = speak(project, film)

    undone = api.post(url(project, "/edl/undo")).json()

    assert undone["undo_depth"] == 1
    assert stored(project)["tracks"] == before
    api.post(url(project, "/edl/redo"))
    assert stored(project)["tracks"] == cut
    [segment] = stored(project)["transcript"]["segments"]
    assert (segment["id"], segment["edited_text"]) == (again, None)
    assert not any(word.get("deleted") for word in segment["words"])
    check_stored(stored(project))


def test_a_segment_is_edited(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    said = speak(project, film)
    put(api, project, {"tracks": tracks(film, 0)})
    path = url(project, f"/transcript/segments/{said}")
    wanted = {
        "speaker": "Ann",
        "words": [{"index": 0, "edited_word": "ONE"}, {"index": 1, "deleted": True}],
    }

    edited = api.patch(path, wanted, format="json")
    back = api.patch(path, {"words": [{"index": 1, "deleted": False}]}, format="json")
    gone = api.patch(path, {"deleted": True, "mode": "gap"}, format="json")
    unedited = api.patch(path, {"edited_text": None, "deleted": False}, format="json")

    assert [r.json().get("duration_ms") for r in (edited, back, gone, unedited)] == [
        500,
        1000,
        0,
        1000,
    ]
    made = stored(project)["transcript"]["segments"][0]
    assert (made["speaker"], made["deleted"]) == ("Ann", False)
    assert made["words"][0]["edited_word"] == "ONE"
    check_stored(stored(project))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"mode": "gap"}, "body"),
        ({"text": "x"}, "text"),
        ({"deleted": 1}, "deleted"),
        ({"words": [{"index": 3, "deleted": True}]}, "word"),
        ({"words": [{"index": -1}]}, "words.0.index"),
        ({"speaker": ""}, "speaker"),
        ({"edited_text": "x" * (documents.MAX_SEGMENT_TEXT_LENGTH + 1)}, "edited_text"),
    ],
)
def test_a_bad_edit_of_a_segment_is_refused(
    api: APIClient, project: Project, film: MediaFile, body: Any, field: str
) -> None:
    said = speak(project, film)

    response = api.patch(url(project, f"/transcript/segments/{said}"), body, format="json")

    assert errors(response)[0][0] == field


def test_edits_of_text_keep_the_transcript_in_its_bytes(
    api: APIClient, project: Project, film: MediaFile, edls: Any, stored: Stored
) -> None:
    said = speak(project, film)
    path = url(project, f"/transcript/segments/{said}")
    edls.update_one(
        {"project_id": str(project.pk)},
        {"$set": {"transcript_bytes": documents.MAX_TRANSCRIPT_BYTES - 15}},
    )

    # A string costs its bytes and five more than null.
    fits = api.patch(path, {"edited_text": "x" * 10}, format="json")
    too_large = api.patch(path, {"edited_text": "x" * 11}, format="json")

    assert fits.status_code == 200
    assert stored(project)["transcript_bytes"] == documents.MAX_TRANSCRIPT_BYTES
    assert problem(too_large) == (413, "transcript_too_large")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("put", "/edl"),
        ("patch", "/edl"),
        ("post", "/edl/undo"),
        ("post", "/edl/redo"),
        ("patch", "/transcript/segments/x"),
        ("get", "/transcript.srt"),
        ("get", "/transcript.vtt"),
        ("get", "/transcript.txt"),
    ],
)
def test_what_is_anothers_or_unknown_does_not_exist(
    client_of: Callable[[User], APIClient],
    make_user: Callable[..., User],
    api: APIClient,
    project: Project,
    stored: Stored,
    method: str,
    rest: str,
) -> None:
    stranger = client_of(make_user())
    bodies = {"put": {"tracks": []}, "patch": {"edited_text": "x"}}
    body = {"operations": [{"op": "add_track", "type": "video", "name": "x"}]}
    sent = body if (method, rest) == ("patch", "/edl") else bodies.get(method)
    for client, path in ((stranger, url(project, rest)), (api, f"/projects/{uuid.uuid4()}{rest}")):
        act = getattr(client, method)
        response = act(path, sent, format="json", headers={"If-Match": "*"})

        assert problem(response) == (404, "not_found")
    assert stored(project)["version"] == 1


def test_a_segment_that_is_not_there(api: APIClient, project: Project) -> None:
    response = api.patch(
        url(project, "/transcript/segments/none"), {"edited_text": "x"}, format="json"
    )

    assert problem(response) == (404, "not_found")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_version", [True, False])
def test_editors_at_once_lose_no_edit(
    client_of: Callable[[User], APIClient],
    user: User,
    api: APIClient,
    project: Project,
    film: MediaFile,
    stored: Stored,
    settings: Any,
    with_version: bool,
) -> None:
    settings.RATE_LIMIT = "1000000/minute"
    put(api, project, {"tracks": tracks(film)})
    stale = []

    def editor(number: int) -> None:
        client = client_of(user)
        try:
            for turn in range(EDITS):
                wanted = add(film, 100 * (EDITS * number + turn), clip_id=f"e{number}-{turn}")
                while True:
                    seen = {"If-Match": client.get(url(project))["ETag"]} if with_version else {}
                    response = operate(client, project, wanted, **seen)
                    if response.status_code == 200:
                        break
                    assert problem(response) == (412, "stale_edl")
                    stale.append(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(editor, range(THREADS)))

    document = stored(project)
    assert {one["id"] for one in document["tracks"][0]["clips"]} == {
        f"e{number}-{turn}" for number in range(THREADS) for turn in range(EDITS)
    }
    assert document["version"] == 2 + THREADS * EDITS
    assert len(document["undo_stack"]) == 1 + THREADS * EDITS
    assert with_version or not stale
    check_stored(document)
