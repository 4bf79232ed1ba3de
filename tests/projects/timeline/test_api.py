"""The EDL replaced and patched, as clients see it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import jsonpatch
import pytest
from rest_framework.test import APIClient

from accounts.models import User
from media.models import MediaFile, MediaStatus, MediaType
from projects import documents, serializers
from projects.models import Project
from projects.timeline import shape
from tests.projects.timeline.asking import (
    JSON_PATCH,
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
from tests.projects.timeline.making import check_stored, clip, segment, track

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]


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
    described = shape.Edl.model_validate(after.json()).model_dump(mode="json")
    assert described["tracks"] == after.json()["tracks"]
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
        {"op": "set_effect", "clip_id": "c5000", "effect": {"type": "gain", "db": 0.5}},
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
        ("c0", 100),
        ("new", 9000),
    ]
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
        ([{"op": "add", "path": "/tracks/0/clips/-", "value": None}], (400, "invalid")),
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
    place = "operations.0"
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


def test_a_whole_file_is_put_at_the_end_of_a_track(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 5000)})
    whole = {"op": "add_clip", "track_id": "v", "media_file_id": str(film.pk)}
    fast = {"effects": [{"type": "speed", "rate": 2.0}], "in_point_ms": 50_000}

    assert operate(api, project, whole, {**whole, **fast}).status_code == 200

    clips = api.get(url(project)).json()["tracks"][0]["clips"][1:]
    assert [(clip["start_ms"], clip["in_point_ms"], clip["out_point_ms"]) for clip in clips] == [
        (6000, 0, 60_000),
        (66_000, 50_000, 60_000),
    ]
    assert [clip["duration_ms"] for clip in clips] == [60_000, 5000]


def test_the_end_of_a_track_is_where_it_is_after_the_operations_before(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    whole = {"op": "add_clip", "track_id": "v", "media_file_id": str(film.pk)}
    gone = {"op": "delete_clip", "clip_id": "c5000"}
    moved = {"op": "move_clip", "clip_id": "c0", "start_ms": 2000}

    assert operate(api, project, whole, gone, moved, whole).status_code == 200

    clips = api.get(url(project)).json()["tracks"][0]["clips"]
    assert [clip["start_ms"] for clip in clips if not clip["deleted"]] == [2000, 6000, 66_000]


def test_what_has_no_length_cannot_be_put_whole(
    api: APIClient, project: Project, make_media: Callable[..., MediaFile], make_user: Any
) -> None:
    put(api, project, {"tracks": [track()]})
    picture = make_media(type=MediaType.IMAGE, duration_ms=None)
    others = make_media(make_user(), type=MediaType.VIDEO)
    whole = {"op": "add_clip", "track_id": "v"}

    for media, error in (
        (picture, ("operations.0.out_point_ms", "no_length")),
        (others, ("operations.0.media_file_id", "unknown_media")),
    ):
        answer = operate(api, project, {**whole, "media_file_id": str(media.pk)})
        assert errors(answer) == [error]
        assert answer.json()["errors"][0]["detail"].startswith("add_clip: ")


def test_a_refusal_names_the_operation_and_the_bound(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    rename = {"op": "add_track", "type": "audio", "name": "A"}
    beyond = add(film, 5000, out_point_ms=60_001)

    told = operate(api, project, rename, beyond)
    assert errors(told) == [("operations.1.out_point_ms", "beyond_media")]
    assert told.json()["errors"][0]["detail"] == "add_clip: The media file lasts 60000 ms."
    split = operate(api, project, {"op": "split_clip", "clip_id": "c0", "at_ms": 1000})
    assert split.json()["errors"][0]["detail"] == "split_clip: The clip lies from 0 to 1000 ms."


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
