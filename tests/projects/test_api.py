"""The project endpoints as clients see them."""

import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pymongo.collection import Collection
from rest_framework.test import APIClient

from accounts.models import User
from projects import edl, serializers, transcript
from projects.models import Project
from projects.timeline import shape

pytestmark = pytest.mark.django_db

Stored = Callable[[Project], dict[str, Any]]

FIELDS = {
    "id",
    "name",
    "description",
    "resolution",
    "frame_rate",
    "thumbnail_url",
    "created_at",
    "updated_at",
}


def url(project: Project, rest: str = "") -> str:
    return f"/projects/{project.pk}{rest}"


@pytest.fixture
def stranger(client_of: Callable[[User], APIClient], make_user: Callable[..., User]) -> APIClient:
    return client_of(make_user())


def test_a_project_needs_only_a_name(api: APIClient, user: User, stored: Stored) -> None:
    response = api.post("/projects", {"name": "Harbour"}, format="json")

    project = Project.objects.get(user=user)
    body = response.json()
    assert response.status_code == 201
    assert response["Location"] == url(project)
    assert set(body) == FIELDS
    assert (body["id"], body["name"], body["description"]) == (str(project.pk), "Harbour", "")
    assert (body["resolution"], body["frame_rate"]) == ("1920x1080", 30)
    assert stored(project)["version"] == 1


def test_a_project_takes_all_its_fields(api: APIClient, stored: Stored) -> None:
    body = {"name": "N", "description": "D", "resolution": "1080x1920", "frame_rate": 29.97}

    response = api.post("/projects", body, format="json")

    project = Project.objects.get(pk=response.json()["id"])
    assert response.json() | body == response.json()
    assert project.frame_rate == Decimal("29.97")
    assert stored(project)["settings"]["resolution"] == {"width": 1080, "height": 1920}
    assert stored(project)["settings"]["frame_rate"] == 29.97


EDGES = [
    {"name": "n" * serializers.MAX_NAME_LENGTH},
    {"description": "d" * serializers.MAX_DESCRIPTION_LENGTH},
    {"resolution": "16x16"},
    {"resolution": "8192x8192"},
    {"frame_rate": 1},
    {"frame_rate": 120},
]
PAST_EDGES = [
    ({"name": ""}, "name", "blank"),
    ({"name": "  "}, "name", "blank"),
    ({"name": None}, "name", "null"),
    ({"name": ["a"]}, "name", "invalid"),
    ({"name": "n" * (serializers.MAX_NAME_LENGTH + 1)}, "name", "max_length"),
    ({"description": "d" * (serializers.MAX_DESCRIPTION_LENGTH + 1)}, "description", "max_length"),
    *[
        ({"resolution": resolution}, "resolution", "resolution_invalid")
        for resolution in (
            "1920",
            "1920X1080",
            "1920x",
            "1921x1080",
            "1920x1081",
            "14x16",
            "16x14",
            "8194x8192",
            "8192x8194",
            "-16x16",
            "016x16",
            "99999x16",
            "１６x１６",
            "16x16x16",
        )
    ],
    ({"frame_rate": 0.99}, "frame_rate", "min_value"),
    ({"frame_rate": 120.01}, "frame_rate", "max_value"),
    ({"frame_rate": 23.976}, "frame_rate", "max_decimal_places"),
    ({"frame_rate": "fast"}, "frame_rate", "invalid"),
    ({"frame_rate": True}, "frame_rate", "invalid"),
    ({"frame_rate": "NaN"}, "frame_rate", "invalid"),
    ({"frame_rate": "1e400"}, "frame_rate", "max_digits"),
]


@pytest.mark.parametrize("fields", EDGES)
def test_what_just_fits_is_taken(api: APIClient, fields: dict[str, Any]) -> None:
    response = api.post("/projects", {"name": "N"} | fields, format="json")

    assert response.status_code == 201
    assert response.json() | fields == response.json()


@pytest.mark.parametrize(("fields", "field", "code"), PAST_EDGES)
def test_what_does_not_fit_is_refused_by_its_field(
    api: APIClient, user: User, project: Project, fields: dict[str, Any], field: str, code: str
) -> None:
    body = json.dumps({"name": "N"} | fields)
    posted = api.post("/projects", body, content_type="application/json")
    patched = api.patch(url(project), json.dumps(fields), content_type="application/json")

    for response in (posted, patched):
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert (field, code) in [(e["field"], e["code"]) for e in response.json()["errors"]]
    assert list(Project.objects.filter(user=user)) == [project]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a\0b"},
        {"name": "a\ud800b"},
        {"description": "a\0b"},
        {"resolution": "16x16\0"},
        {"frame_rate": 10**400},
    ],
    ids=str,
)
def test_what_no_store_can_hold_is_refused_as_a_whole(
    api: APIClient, user: User, project: Project, fields: dict[str, Any]
) -> None:
    body = json.dumps({"name": "N"} | fields)
    posted = api.post("/projects", body, content_type="application/json")
    patched = api.patch(url(project), json.dumps(fields), content_type="application/json")

    for response in (posted, patched):
        assert (response.status_code, response.json()["code"]) == (400, "parse_error")
    assert list(Project.objects.filter(user=user)) == [project]


@pytest.mark.parametrize("body", ["", "{", "[]", '"name"', "null", "\xff"])
def test_a_body_that_is_no_object_is_refused(api: APIClient, project: Project, body: str) -> None:
    for method in (api.post, api.put):
        path = "/projects" if method == api.post else url(project)
        response = method(path, body.encode("latin-1"), content_type="application/json")

        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"


def test_another_content_type_is_refused(api: APIClient) -> None:
    response = api.post("/projects", "name=N", content_type="text/plain")

    assert response.status_code == 415


def test_the_list_shows_your_own_newest_first_in_pages(
    api: APIClient, user: User, make_user: Callable[..., User]
) -> None:
    mine = [Project.objects.create(user=user, name=f"P{number}") for number in range(3)]
    Project.objects.create(user=make_user(), name="Another's")

    first = api.get("/projects", {"limit": 2}).json()
    second = api.get(first["next"]).json()

    assert [row["id"] for row in first["projects"] + second["projects"]] == [
        str(project.pk)
        for project in sorted(mine, key=lambda p: (p.created_at, p.pk), reverse=True)
    ]
    assert set(first) == {"projects", "next", "previous"}
    assert set(first["projects"][0]) == FIELDS
    assert second["next"] is None


def test_a_made_up_cursor_is_refused(api: APIClient) -> None:
    response = api.get("/projects", {"cursor": "made-up"})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_the_detail_carries_the_edl(api: APIClient, project: Project) -> None:
    response = api.get(url(project))

    body = response.json()
    assert response["ETag"].startswith('"1.')
    assert set(body) == FIELDS | {"edl"}
    assert body["edl"] == api.get(url(project, "/edl")).json()
    assert set(body["edl"]) == {
        "project_id",
        "version",
        "created_at",
        "updated_at",
        "settings",
        "tracks",
        "captions_style",
        "transcript",
        "undo_depth",
        "redo_depth",
    }


def again(api: APIClient, project: Project, rest: str, tag: str) -> Any:
    return api.get(url(project, rest), headers={"If-None-Match": tag})


@pytest.mark.parametrize("rest", ["", "/edl", "/transcript"])
def test_what_has_not_changed_is_not_answered_again(
    api: APIClient, project: Project, rest: str
) -> None:
    tag = api.get(url(project, rest))["ETag"]

    same = again(api, project, rest, tag)
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", tag)

    add = {"op": "add_track", "type": "video", "name": "V"}
    edited = api.patch(
        url(project, "/edl"), {"operations": [add]}, format="json", headers={"If-Match": tag}
    )
    assert (edited.status_code, edited["ETag"]) == (200, '"2"')
    assert again(api, project, rest, tag).status_code == 200


def test_a_projects_own_fields_change_its_tag_and_not_the_edls(
    api: APIClient, project: Project
) -> None:
    tag, edl_tag = api.get(url(project))["ETag"], api.get(url(project, "/edl"))["ETag"]
    api.patch(url(project), {"name": "Pier"}, format="json")

    assert again(api, project, "", tag).json()["name"] == "Pier"
    assert again(api, project, "/edl", edl_tag).status_code == 304


def test_of_what_has_not_changed_the_document_is_not_read(
    api: APIClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests_made: list[Any] = []
    find = edl._find_one

    def listening(which: Any, fields: Any) -> Any:
        requests_made.append(fields)
        return find(which, fields)

    monkeypatch.setattr(edl, "_find_one", listening)
    tag = api.get(url(project))["ETag"]
    requests_made.clear()

    assert again(api, project, "", tag).status_code == 304
    assert requests_made == [{"version": 1}]


def test_others_are_not_told_whether_it_changed(
    api: APIClient, project: Project, client_of: Any, make_user: Any
) -> None:
    tag = api.get(url(project))["ETag"]

    assert again(client_of(make_user()), project, "", tag).status_code == 404


def test_the_answers_are_shaped_as_the_schema_says(api: APIClient, project: Project) -> None:
    transcript.merge_transcript(
        project_id=project.pk,
        user_id=project.user_id,
        media_file_id=uuid.uuid4(),
        job_id=uuid.uuid4(),
        segments=[
            {
                "speaker": "Speaker 1",
                "start_ms": 0,
                "end_ms": 900,
                "text": "Hello",
                "words": [{"word": "Hello", "start_ms": 0, "end_ms": 900, "confidence": 0.9}],
            }
        ],
    )
    edl = api.get(url(project, "/edl"))
    response = api.get(url(project, "/transcript"))

    assert shape.Edl.model_validate(edl.json()).version == 2
    described = shape.TranscriptShape.model_validate(response.json()).model_dump(mode="json")
    assert described["segments"] == response.json()["segments"]
    assert edl["ETag"] == response["ETag"] == '"2"'
    assert response.json() == edl.json()["transcript"]
    assert [segment["text"] for segment in response.json()["segments"]] == ["Hello"]
    assert edl.json()["undo_depth"] == 0


def test_a_new_project_has_an_empty_transcript(api: APIClient, project: Project) -> None:
    response = api.get(url(project, "/transcript"))

    assert response.json() == {"generated_at": None, "segments": []}


def test_put_renames_a_project(api: APIClient, project: Project) -> None:
    response = api.put(url(project), {"name": "New Name"}, format="json")

    assert (response.status_code, response.json()["name"]) == (200, "New Name")
    assert response.json()["resolution"] == "1920x1080"


def test_put_without_a_name_is_refused(api: APIClient, project: Project) -> None:
    response = api.put(url(project), {"description": "D"}, format="json")

    assert response.json()["errors"] == [
        {"field": "name", "code": "required", "detail": "This field is required."}
    ]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_changed_picture_settings_reach_the_edl(
    api: APIClient, project: Project, stored: Stored, method: str
) -> None:
    body = {"name": "Harbour", "resolution": "1280x720", "frame_rate": 25}

    response = getattr(api, method)(url(project), body, format="json")

    assert response.json() | body == response.json()
    assert stored(project)["version"] == 2
    assert stored(project)["settings"] == {
        "resolution": {"width": 1280, "height": 720},
        "frame_rate": 25,
        "duration_ms": 0,
    }


@pytest.mark.parametrize("body", [{}, {"name": "Other"}, {"frame_rate": 30.0}])
def test_a_patch_that_changes_no_picture_leaves_the_edl(
    api: APIClient, project: Project, stored: Stored, body: dict[str, Any]
) -> None:
    response = api.patch(url(project), body, format="json")

    assert response.status_code == 200
    assert stored(project)["version"] == 1


def test_read_only_fields_are_not_taken(api: APIClient, project: Project) -> None:
    other = str(uuid.uuid4())

    api.patch(url(project), {"id": other, "user": other, "edl_id": other}, format="json")

    again = Project.objects.get(pk=project.pk)
    assert (again.user_id, again.edl_id) == (project.user_id, project.edl_id)


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("get", ""),
        ("put", ""),
        ("patch", ""),
        ("delete", ""),
        ("get", "/edl"),
        ("get", "/transcript"),
    ],
)
def test_what_is_anothers_or_unknown_does_not_exist(
    api: APIClient,
    stranger: APIClient,
    project: Project,
    edls: Collection[dict[str, Any]],
    method: str,
    rest: str,
) -> None:
    unknown = f"/projects/{uuid.uuid4()}{rest}"
    malformed = f"/projects/not-a-uuid{rest}"

    for client, path in ((stranger, url(project, rest)), (api, unknown), (api, malformed)):
        body = {"name": "Mine"} if method in ("put", "patch") else None
        response = getattr(client, method)(path, body, format="json")

        assert response.status_code == 404
        assert response.json()["code"] == "not_found"
    assert Project.objects.get(pk=project.pk).name == "Harbour"
    assert edls.count_documents({"project_id": str(project.pk)}) == 1


@pytest.mark.parametrize("path", ["/projects", f"/projects/{uuid.UUID(int=0)}"])
def test_nobody_in_particular_is_asked_for_a_token(path: str, db: None) -> None:
    response = APIClient().get(path)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.usefixtures("edl_store_away")
class TestWithMongoDBAway:
    def test_a_project_is_made_all_the_same(self, api: APIClient, user: User) -> None:
        response = api.post("/projects", {"name": "Harbour"}, format="json")

        assert response.status_code == 201
        assert Project.objects.get(user=user).edl_id is None

    @pytest.mark.parametrize("rest", ["", "/edl", "/transcript"])
    def test_what_lies_there_is_unavailable(self, api: APIClient, user: User, rest: str) -> None:
        project = Project.objects.create(user=user, name="Harbour")

        response = api.get(url(project, rest))

        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response["Content-Type"] == "application/problem+json"

    def test_the_row_and_the_edl_change_together_or_not_at_all(
        self, api: APIClient, user: User
    ) -> None:
        project = Project.objects.create(user=user, name="Harbour")

        refused = api.patch(url(project), {"resolution": "640x480"}, format="json")
        renamed = api.patch(url(project), {"name": "Quay"}, format="json")

        project.refresh_from_db()
        assert (refused.status_code, renamed.status_code) == (503, 200)
        assert (project.resolution, project.name) == ("1920x1080", "Quay")

    def test_a_project_is_deleted_all_the_same(self, api: APIClient, user: User) -> None:
        project = Project.objects.create(user=user, name="Harbour")

        response = api.delete(url(project))

        assert response.status_code == 204
        assert not Project.objects.filter(pk=project.pk).exists()
