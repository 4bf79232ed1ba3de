"""Effects as clients write them: a known one with its parameters, one of their own, or none."""

import json
from typing import Any

import opentimelineio as otio
import pytest
from pymongo.collection import Collection
from rest_framework.test import APIClient

from media.models import MediaFile
from projects.interchange.terms import OURS
from projects.models import Project
from projects.timeline.effects import EFFECT_MODELS
from tests.contract import ContractClient, described
from tests.projects.timeline.asking import errors, json_patch, operate, put, tracks, url
from tests.projects.timeline.making import clip, track

pytestmark = pytest.mark.django_db

EdlStore = Collection[dict[str, Any]]

SLIPS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"type": "fadein", "duration_ms": 500}, [("type", "unknown_effect")]),
    ({"type": "X_mine"}, [("type", "unknown_effect")]),
    ({}, [("type", "missing")]),
    (
        {"type": "fade_in", "duration": 5},
        [("duration_ms", "missing"), ("duration", "extra_forbidden")],
    ),
    (
        {"type": "gain", "db": 25, "gain": 1},
        [("db", "less_than_equal"), ("gain", "extra_forbidden")],
    ),
]


def named(place: str, told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"{place}.{name}", code) for name, code in told]


@pytest.mark.parametrize(("effect", "told"), SLIPS)
def test_a_slip_is_refused_where_it_is(
    api: APIClient,
    project: Project,
    film: MediaFile,
    effect: dict[str, Any],
    told: list[tuple[str, str]],
) -> None:
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    good = {"op": "set_effect", "clip_id": "c0", "effect": {"type": "gain", "db": -3}}
    added = {
        "op": "add_clip",
        "track_id": "v",
        "media_file_id": str(film.pk),
        "start_ms": 9000,
        "in_point_ms": 0,
        "out_point_ms": 9,
        "effects": [good["effect"], effect],
    }
    wrong = tracks(film, 0, 5000)
    wrong[0]["clips"][1]["effects"] = [effect]
    patch = [{"op": "add", "path": "/tracks/0/clips/1/effects/0", "value": effect}]

    answers = {
        "operations.2.effect": operate(api, project, good, good, {**good, "effect": effect}),
        "operations.1.effects.1": operate(api, project, good, added),
        "tracks.0.clips.1.effects.0": put(api, project, {"tracks": wrong}),
    }
    patched = json_patch(api, project, patch)

    for place, answer in answers.items():
        assert errors(answer) == named(place, told)
    assert errors(patched) == named("tracks.0.clips.1.effects.0", told)
    assert api.get(url(project)).json()["tracks"] == tracks(film, 0, 5000)


def test_a_name_that_is_nobodys_is_answered_with_those_that_are(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    put(api, project, {"tracks": tracks(film, 0)})
    wrong = {"op": "set_effect", "clip_id": "c0", "effect": {"type": "fadein"}}

    (told,) = operate(api, project, wrong).json()["errors"]

    assert all(f"`{name}`" in told["detail"] for name in EFFECT_MODELS)
    assert "`x_…`" in told["detail"]


def test_a_file_with_such_an_effect_is_refused(
    api: APIClient, project: Project, film: MediaFile
) -> None:
    effect = {"type": "x_grade", "amount": 0.5}
    clips = [clip("a", 0, 0, 1000, media=str(film.pk), effects=[effect])]
    put(api, project, {"tracks": [track(*clips)]})
    text = api.get(url(project, "/edl/export?format=otio")).content.decode()
    timeline = otio.adapters.read_from_string(text, "otio_json")
    for told in (
        timeline.tracks[0].metadata[OURS]["clips"][0],
        timeline.tracks[0][0].metadata[OURS],
    ):
        told["effects"][0]["type"] = "grade"

    answer = api.post(
        url(project, "/edl/import?format=otio"),
        timeline.to_json_string(),
        content_type="text/plain",
        headers={"If-Match": "*"},
    )

    assert errors(answer) == [("tracks.0.clips.0.effects.0.type", "unknown_effect")]


def test_what_was_stored_before_is_read_and_edited_but_not_written_again(
    api: ContractClient, project: Project, film: MediaFile, edls: EdlStore
) -> None:
    api.is_of_today = False
    put(api, project, {"tracks": tracks(film, 0, 5000)})
    old = [{"type": "fadein", "length": 3}, {"type": "fade_in"}, {"type": "gain", "db": "loud"}]
    made = {"$set": {"tracks.0.clips.0.effects": old}, "$inc": {"version": 1}}
    edls.update_one({"project_id": str(project.pk)}, made)

    shown = api.get(url(project)).json()["tracks"]
    edits = [
        operate(api, project, {"op": "split_clip", "clip_id": "c0", "at_ms": 300}),
        operate(api, project, {"op": "move_clip", "clip_id": "c0", "start_ms": 9000}),
        json_patch(api, project, [{"op": "replace", "path": "/tracks/0/name", "value": "W"}]),
    ]
    again = json_patch(
        api, project, [{"op": "replace", "path": "/tracks/0/clips/0/start_ms", "value": 1}]
    )
    removed = operate(api, project, {"op": "remove_effect", "clip_id": "c0", "type": "fadein"})

    assert shown[0]["clips"][0]["effects"] == old
    assert [edit.status_code for edit in edits] == [200] * 3
    assert ("tracks.0.clips.0.effects.0.type", "unknown_effect") in errors(again)
    assert removed.status_code == 200


def test_the_schema_tells_each_effect_and_its_parameters() -> None:
    schemas = described()["components"]["schemas"]

    def named(ref: dict[str, str]) -> Any:
        return schemas[ref["$ref"].rpartition("/")[2]]

    either = named(schemas["ClipShape"]["properties"]["effects"]["items"])["oneOf"]
    rendered, own = map(named, either)
    by_type = rendered["discriminator"]
    assert by_type["propertyName"] == "type"
    assert list(by_type["mapping"]) == sorted(EFFECT_MODELS)
    for name, ref in by_type["mapping"].items():
        assert named({"$ref": ref})["properties"]["type"]["const"] == name
    members = [*map(named, rendered["oneOf"]), own]
    names = [one["properties"]["type"].get("const") for one in members]
    assert names == [*EFFECT_MODELS, None]
    assert members[-1]["properties"]["type"]["pattern"].startswith("^x_")
    for member in members:
        assert member["description"]
        parameters = {**member["properties"]}
        del parameters["type"]
        assert all(each["description"] for each in parameters.values()), json.dumps(member)
