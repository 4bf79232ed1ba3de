"""The endpoints of the EDL and its transcript as clients see them."""

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonpatch
import pytest
from django.db import connections
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile, MediaStatus, MediaType
from projects import documents, serializers, transcript
from projects.models import Project
from tests.projects.timeline.making import check_stored, clip, segment, track

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]
JSON_PATCH = "application/json-patch+json"
THREADS = 8
EDITS = 4


@pytest.fixture
def film(make_media: Callable[..., MediaFile]) -> MediaFile:
    return make_media(type=MediaType.VIDEO, duration_ms=60_000)


def url(project: Project, rest: str = "/edl") -> str:
    return f"/projects/{project.pk}{rest}"


def tracks(media: MediaFile, *starts: int) -> list[dict[str, Any]]:
    clips = [clip(f"c{start}", start, start, start + 1000, media=str(media.pk)) for start in starts]
    return [track(*clips)]


def put(api: APIClient, project: Project, body: Any, tag: str = "*") -> Any:
    return api.put(url(project), body, format="json", headers={"If-Match": tag})


def operate(api: APIClient, project: Project, *operations: Any, **headers: str) -> Any:
    return api.patch(url(project), {"operations": operations}, format="json", headers=headers)


def json_patch(api: APIClient, project: Project, patch: Any, tag: str = "*") -> Any:
    return api.patch(
        url(project), json.dumps(patch), content_type=JSON_PATCH, headers={"If-Match": tag}
    )


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def errors(response: Any) -> list[tuple[str, str]]:
    assert problem(response) == (400, "invalid")
    return [(each["field"], each["code"]) for each in response.json()["errors"]]


def add(media: MediaFile, start: int, **more: Any) -> dict[str, Any]:
    source = {"media_file_id": str(media.pk), "in_point_ms": 0, "out_point_ms": 100}
    return {"op": "add_clip", "track_id": "v", "start_ms": start, **source, **more}


def speak(project: Project, media: MediaFile) -> str:
    """Have the media transcribed; the segment's id."""
    transcript.merge(
        project_id=project.pk,
        user_id=project.user_id,
        media_file_id=media.pk,
        job_id=uuid.uuid4(),
        segments=[segment("", 0, "one two three")],
    )
    found = transcript.read(project_id=project.pk, user_id=project.user_id)
    return str(found["segments"][0]["id"])


def test_the_whole_is_replaced(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    before = api.get(url(project))

    response = put(api, project, {**before.json(), "tracks": tracks(film, 0, 5000)}, before["ETag"])

    after = api.get(url(project))
    body = response.json()
    assert (response.status_code, response["ETag"]) == (200, '"2"')
    assert body | {"version": 2, "duration_ms": 6000, "undo_depth": 1, "redo_depth": 0} == body
    assert serializers.EditedSerializer(body).data == body
    assert after.json()["tracks"] == tracks(film, 0, 5000)
    assert serializers.EdlSerializer(after.json()).data == after.json()
    check_stored(stored(project))


def test_what_is_answered_patches_the_version_before(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    said = speak(project, film)
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    edits = [
        {"op": "split_clip", "clip_id": "c0", "at_ms": 300},
        {"op": "delete_words", "segment_id": said, "first": 1},
        {"op": "add_track", "type": "audio", "name": "A", "index": 0},
        {"op": "set_effect", "clip_id": "c5000", "effect": {"type": "volume", "level": 0.5}},
        {"op": "edit_word", "segment_id": said, "word": 0, "text": "ONE"},
        {"op": "delete_clip", "clip_id": "c0", "mode": "ripple"},
    ]
    for act in [*(lambda e=e: operate(api, project, e) for e in edits), *[None] * 12]:
        before = api.get(url(project)).json()
        way = "undo" if before["undo_depth"] > 3 and act is None else "redo"
        response = act() if act else api.post(url(project, f"/edl/{way}"))
        if response.status_code == 409:
            continue
        after = api.get(url(project)).json()

        patched = jsonpatch.apply_patch(before, response.json()["patch"])
        for name in ("tracks", "transcript", "settings"):
            assert patched[name] == after[name]
        assert response.json()["version"] == after["version"] == before["version"] + 1


def test_one_that_changes_nothing_makes_no_version(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    body = {"tracks": tracks(film, 0)}
    put(api, project, body)

    again = put(api, project, body)
    moved = operate(api, project, {"op": "move_clip", "clip_id": "c0", "start_ms": 0})

    for response in (again, moved):
        assert (response.json()["version"], response.json()["patch"]) == (2, [])


def test_a_version_that_is_gone_is_stale(api: APIClient, project: Project, film: MediaFile) -> None:
    put(api, project, {"tracks": tracks(film, 0)}, '"1"')
    move = {"op": "move_clip", "clip_id": "c0", "start_ms": 1}

    for response in (
        put(api, project, {"tracks": []}, '"1"'),
        json_patch(api, project, [{"op": "remove", "path": "/tracks/0"}], '"1"'),
        operate(api, project, move, **{"If-Match": '"1"'}),
        operate(api, project, move, **{"If-Match": '"x"'}),
        api.post(url(project, "/edl/undo"), headers={"If-Match": '"1"'}),
    ):
        assert problem(response) == (412, "stale_edl")
        assert response.json()["version"] == 2
    assert operate(api, project, move, **{"If-Match": 'W/"1", W/"2"'}).status_code == 200


@pytest.mark.parametrize("tag", ["2", '"2', "", ",", '"1",', "*, *"])
def test_a_malformed_if_match_is_refused(api: APIClient, project: Project, tag: str) -> None:
    assert problem(put(api, project, {"tracks": []}, tag)) == (400, "invalid_if_match")


def test_what_counts_places_or_overwrites_must_say_in_which_version(
    api: APIClient, project: Project
) -> None:
    replaced = api.put(url(project), {"tracks": []}, format="json")
    patched = api.patch(url(project), "[]", content_type=JSON_PATCH)

    assert problem(replaced) == problem(patched) == (428, "if_match_required")


def test_a_json_patch_changes_clips_and_words(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    speak(project, film)
    put(api, project, {"tracks": tracks(film, 0, 5000)})

    response = json_patch(
        api,
        project,
        [
            {"op": "test", "path": "/tracks/0/clips/0/id", "value": "c0"},
            {"op": "replace", "path": "/tracks/0/clips/0/start_ms", "value": 100},
            {"op": "copy", "from": "/tracks/0/clips/0", "path": "/tracks/0/clips/-"},
            {"op": "replace", "path": "/tracks/0/clips/2/id", "value": "new"},
            {"op": "replace", "path": "/tracks/0/clips/2/start_ms", "value": 9000},
            {"op": "remove", "path": "/tracks/0/clips/1"},
            {"op": "add", "path": "/transcript/segments/0/words/0/edited_word", "value": "ONE"},
        ],
        '"3"',
    )

    document = stored(project)
    assert response.status_code == 200
    assert [(c["id"], c["start_ms"]) for c in document["tracks"][0]["clips"]] == [
        ("c0", 100), ("new", 9000),
    ]  # fmt: skip
    assert document["transcript"]["segments"][0]["words"][0]["edited_word"] == "ONE"
    check_stored(document)


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({}, (400, "invalid_patch")),
        ([], (400, "invalid_patch")),
        ([1], (400, "invalid_patch")),
        ([{"op": "add"}], (400, "invalid_patch")),
        ([{"op": "no", "path": "/tracks/0"}], (400, "invalid_patch")),
        ([{"op": "add", "path": "/tracks/-"}], (400, "invalid_patch")),
        ([{"op": "add", "path": 1, "value": 1}], (400, "invalid_patch")),
        ([{"op": "remove", "path": ""}], (400, "invalid_patch")),
        ([{"op": "remove", "path": "/version"}], (400, "invalid_patch")),
        ([{"op": "remove", "path": "/tracksy"}], (400, "invalid_patch")),
        ([{"op": "replace", "path": "/settings/duration_ms", "value": 1}], (400, "invalid_patch")),
        ([{"op": "copy", "from": "/user_id", "path": "/tracks/-"}], (400, "invalid_patch")),
        ([{"op": "copy", "path": "/tracks/-"}], (400, "invalid_patch")),
        ([{"op": "add", "path": "/tracks/~2", "value": 1}], (400, "invalid_patch")),
        ([{"op": "test", "path": "/tracks/0/id", "value": "w"}], (409, "patch_test_failed")),
        ([{"op": "remove", "path": "/tracks/9"}], (409, "patch_conflict")),
        ([{"op": "remove", "path": "/tracks/x"}], (409, "patch_conflict")),
        ([{"op": "remove", "path": "/tracks"}], (409, "patch_conflict")),
        ([{"op": "add", "path": "/tracks/0/id/x", "value": 1}], (409, "patch_conflict")),
        ([{"op": "move", "from": "/tracks/0", "path": "/tracks/0/x"}], (409, "patch_conflict")),
        ([{"op": "remove", "path": "/transcript/segments/7/text"}], (409, "patch_conflict")),
        ([{"op": "replace", "path": "/tracks", "value": 1}], (400, "invalid")),
        ([{"op": "replace", "path": "/tracks/0", "value": None}], (400, "invalid")),
        ([{"op": "replace", "path": "/tracks/0/clips", "value": {}}], (400, "invalid")),
        ([{"op": "remove", "path": "/tracks/0/clips/0/id"}], (400, "invalid")),
        ([{"op": "add", "path": "/tracks/0/clips/0/x", "value": 1}], (400, "invalid")),
        ([{"op": "replace", "path": "/tracks/0/id", "value": "w"}], (400, "invalid")),
        ([{"op": "remove", "path": "/transcript/segments"}], (400, "invalid")),
        ([{"op": "add", "path": "/transcript/segments/-", "value": {}}], (400, "invalid")),
        (
            [{"op": "copy", "from": "/tracks", "path": "/tracks/0/clips/-"}] * 40,
            (413, "timeline_too_large"),
        ),
    ],
)
def test_a_bad_json_patch_changes_nothing(
    api: APIClient,
    project: Project,
    film: MediaFile,
    stored: Stored,
    patch: Any,
    expected: tuple[int, str],
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    before = stored(project)

    assert problem(json_patch(api, project, patch)) == expected
    assert stored(project) == before


@pytest.mark.parametrize("depth", [50, 900, 100_000])
def test_a_deeply_nested_body_is_refused(api: APIClient, project: Project, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    patch = (
        f'[{{"op": "add", "path": "/tracks/-", "value": {nested}}},'
        ' {"op": "copy", "from": "/tracks/0", "path": "/tracks/-"}]'
    )
    patched = api.patch(url(project), patch, content_type=JSON_PATCH, headers={"If-Match": "*"})
    operated = api.patch(
        url(project), f'{{"operations": {nested}}}', content_type="application/json"
    )

    for response in (patched, operated):
        assert problem(response)[0] in {400, 409, 413}


def test_operations_are_made_all_or_none(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    track_v = {"op": "add_track", "track_id": "v", "type": "video", "name": "V"}

    refused = operate(api, project, track_v, add(film, 0), {"op": "delete_clip", "clip_id": "x"})
    made = operate(api, project, track_v, add(film, 0), add(film, 100))

    assert errors(refused) == [("operations.2.clip_id", "unknown_clip")]
    assert (made.status_code, made.json()["version"], made.json()["duration_ms"]) == (200, 2, 200)
    check_stored(stored(project))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "operations"),
        ({"operations": []}, "operations"),
        ({"operations": {}}, "operations"),
        ({"operations": [{}]}, "operations.0"),
        ({"operations": [{"op": "no"}]}, "operations.0"),
        ({"operations": [{"op": "delete_clip"}]}, "operations.0.clip_id"),
        ([], "body"),
        (None, "body"),
        ("x", "body"),
    ],
)
def test_malformed_operations_are_refused(
    api: APIClient, project: Project, body: Any, field: str
) -> None:
    response = api.patch(url(project), json.dumps(body), content_type="application/json")

    assert errors(response)[0][0] == field


def test_clips_show_media_of_ones_own_that_is_ready(
    api: APIClient,
    project: Project,
    film: MediaFile,
    make_media: Callable[..., MediaFile],
    make_user: Callable[..., User],
) -> None:
    put(api, project, {"tracks": tracks(film, 5000)})
    others = make_media(make_user(), type=MediaType.VIDEO)
    waiting = make_media(type=MediaType.VIDEO, status=MediaStatus.UPLOADING)
    sound = make_media(duration_ms=100)
    place = "tracks.0.clips.1"
    at_end = {"in_point_ms": 59_999, "out_point_ms": 60_000}
    behind = {"in_point_ms": 60_000, "out_point_ms": 60_001}

    for media in (others, waiting, MediaFile(pk=uuid.uuid4())):
        assert errors(operate(api, project, add(media, 0))) == [
            (f"{place}.media_file_id", "unknown_media")
        ]
    assert errors(operate(api, project, add(sound, 0))) == [
        (f"{place}.media_file_id", "media_type")
    ]
    assert errors(operate(api, project, add(film, 0, **behind))) == [
        (f"{place}.out_point_ms", "beyond_media")
    ]
    assert operate(api, project, add(film, 0, **at_end)).status_code == 200


def test_a_film_is_edited_on_after_media_of_it_was_deleted(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    film.delete()

    moved = operate(api, project, {"op": "move_clip", "clip_id": "c0", "start_ms": 7})

    assert moved.status_code == 200


def test_a_bad_document_is_refused_by_its_fields(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    overlapping = tracks(film, 0, 999)
    twice = [*tracks(film, 0), *tracks(film, 5000)]
    many = [track(name=f"t{number}") for number in range(documents.MAX_TRACKS + 1)]
    wrong = [track(clip("a", -1, 0, 1000, media=str(film.pk)))]

    assert errors(put(api, project, {"tracks": overlapping})) == [
        ("tracks.0.clips.1.start_ms", "clip_overlap")
    ]
    assert errors(put(api, project, {"tracks": twice})) == [("tracks.1.id", "duplicate_id")]
    assert errors(put(api, project, {"tracks": many})) == [("tracks", "too_long")]
    assert errors(put(api, project, {"tracks": wrong}))[0][0] == "tracks.0.clips.0.start_ms"
    assert errors(put(api, project, {})) == [("tracks", "missing")]


def test_a_transcript_is_replaced_when_one_is_given(
    api: APIClient, project: Project, film: MediaFile, stored: Stored
) -> None:
    speak(project, film)
    own = [segment("mine", 0, "mine", media=str(film.pk))]

    kept = put(api, project, {"tracks": []})
    put(api, project, {"tracks": [], "transcript": {"segments": own}})
    double = put(api, project, {"tracks": [], "transcript": {"segments": own * 2}})

    assert kept.json()["patch"] == []
    assert stored(project)["transcript"]["segments"] == own
    assert errors(double) == [("transcript.segments.1.id", "duplicate_id")]
    check_stored(stored(project))


def test_edits_are_undone_and_redone(api: APIClient, project: Project, film: MediaFile) -> None:
    put(api, project, {"tracks": tracks(film, 0)})

    undone = api.post(url(project, "/edl/undo"))
    nothing = api.post(url(project, "/edl/undo"))
    redone = api.post(url(project, "/edl/redo"))
    no_more = api.post(url(project, "/edl/redo"))

    assert [(r.json()["version"], r.json()["redo_depth"]) for r in (undone, redone)] == [
        (3, 1), (4, 0),
    ]  # fmt: skip
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


def test_a_transcription_is_undone_and_redone(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    speak(project, film)
    said = api.get(url(project, "/transcript")).json()

    undone = api.post(url(project, "/edl/undo"))
    silent = api.get(url(project, "/transcript")).json()
    api.post(url(project, "/edl/redo"))

    assert undone.json()["patch"][1] == {
        "op": "replace", "path": "/transcript/segments", "value": [],
    }  # fmt: skip
    assert silent == {"generated_at": None, "segments": []}
    assert api.get(url(project, "/transcript")).json() == said


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
        500, 1000, 0, 1000,
    ]  # fmt: skip
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
        ("put", "/edl"), ("patch", "/edl"), ("post", "/edl/undo"), ("post", "/edl/redo"),
        ("patch", "/transcript/segments/x"), ("get", "/transcript.srt"),
        ("get", "/transcript.vtt"), ("get", "/transcript.txt"),
    ],
)  # fmt: skip
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
