"""A new operation is one class: the API makes it, refuses it, and describes it."""

from collections.abc import Iterator
from typing import Literal

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from projects.models import Project
from projects.timeline.content import EditError
from projects.timeline.draft import Draft
from projects.timeline.fields import Id, TrackName
from projects.timeline.operations import Operation, Operations
from tests.projects.timeline.asking import errors, operate, put, url
from tests.projects.timeline.making import track

pytestmark = pytest.mark.django_db


@pytest.fixture
def renaming() -> Iterator[None]:
    """An operation of somebody else's, while the test runs."""

    class RenameTrack(Operation):
        """Give a track another name."""

        op: Literal["rename_track"]
        track_id: Id
        name: TrackName

        def apply(self, draft: Draft) -> None:
            lane = draft.get_track(self.track_id)
            if lane.track["name"] == self.name:
                raise EditError("name", "same_name", "It has this name.")
            lane.track = {**lane.track, "name": self.name}

    yield
    del Operation.named["rename_track"]
    Operations.model_rebuild(force=True)


def rename(api: APIClient, project: Project, name: str) -> object:
    return operate(api, project, {"op": "rename_track", "track_id": "v", "name": name})


@pytest.mark.usefixtures("renaming")
def test_it_is_made_and_undone(api: APIClient, project: Project) -> None:
    put(api, project, {"tracks": [track()]})

    answer = rename(api, project, "Picture").json()

    change = {"op": "replace", "path": "/tracks/0/name", "value": "Picture"}
    assert answer["patch"] == [change]
    assert api.post(f"{url(project)}/undo").json()["patch"] == [change | {"value": "V"}]


@pytest.mark.usefixtures("renaming")
def test_its_refusals_and_malformed_fields_are_named(api: APIClient, project: Project) -> None:
    put(api, project, {"tracks": [track()]})

    assert errors(rename(api, project, "V")) == [("operations.0.name", "same_name")]
    assert errors(rename(api, project, "")) == [("operations.0.name", "string_too_short")]


@pytest.mark.usefixtures("renaming")
def test_the_schema_tells_of_it() -> None:
    told = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]

    assert told["RenameTrack"]["description"] == "Give a track another name."
    asked = told["PatchedOperationsRequest"]["properties"]["operations"]["items"]
    assert asked == {"$ref": "#/components/schemas/Operation"}
    by_name = told["Operation"]["discriminator"]
    assert by_name["propertyName"] == "op"
    assert by_name["mapping"]["rename_track"] == "#/components/schemas/RenameTrack"


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are(
    api: APIClient, project: Project
) -> None:
    answer = rename(api, project, "Picture")

    assert errors(answer) == [("operations.0", "union_tag_invalid")]
    assert all(name in answer.json()["detail"] for name in Operation.named)
