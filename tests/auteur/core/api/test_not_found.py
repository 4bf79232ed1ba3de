"""A 404 says what was not found, and does not say whether another user has it."""

import uuid

import pytest
from rest_framework.test import APIClient

from jobs.http.unknown_features import MAX_NAME_LENGTH
from projects.models import Project
from tests.contract import described

BY_ID = [
    ("/projects/{id}", "project", "project"),
    ("/projects/{id}/edl", "project", "project"),
    ("/projects/{id}/media", "project", "project"),
    ("/media/{id}", "media_file", "media file"),
    ("/voices/{id}", "voice", "voice"),
    ("/jobs/{id}", "job", "job"),
    ("/jobs/{id}/events", "job", "job"),
    ("/consents/{id}", "consent", "consent"),
    ("/api-keys/{id}", "api_key", "API key"),
    ("/webhooks/{id}", "webhook_endpoint", "webhook endpoint"),
    ("/webhooks/{id}/deliveries", "webhook_endpoint", "webhook endpoint"),
]


@pytest.mark.parametrize(("path", "resource", "words"), BY_ID)
def test_an_id_that_nobody_has(api, path, resource, words):
    methods = {"/api-keys/{id}": api.patch, "/voices/{id}": api.delete}
    answer = methods.get(path, api.get)(path.format(id=uuid.uuid4()))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "not_found")
    assert problem["resource"] == resource
    assert problem["detail"] == f"Not found: no {words} with this id in your account."


def test_another_users_and_nobodys_are_told_alike(api, make_user, make_media):
    other = make_user()
    for path, row in (
        ("/projects/{id}", Project.objects.create(user=other, name="Film")),
        ("/media/{id}", make_media(other)),
    ):
        theirs = api.get(path.format(id=row.pk))
        nobodys = api.get(path.format(id=uuid.uuid4()))
        assert theirs.status_code == 404
        assert theirs.content == nobodys.content
        assert set(theirs.headers) == set(nobodys.headers)


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("/jobs/transcription", "media_id", "media file"),
        ("/jobs/tts", "voice_id", "voice"),
        ("/jobs/render", "project_id", "project"),
    ],
)
def test_the_field_that_names_an_id_is_told(api, path, field, words):
    body = {"text": "Hello."} if path == "/jobs/tts" else {}
    answer = api.post(path, {**body, field: str(uuid.uuid4())}, format="json")
    detail = f"Not found: no {words} with this id in your account."
    assert answer.status_code == 404
    assert answer.json()["detail"] == detail
    assert answer.json()["errors"] == [{"field": field, "code": "not_found", "detail": detail}]


@pytest.mark.parametrize("field", ["media_ids", "voice_id"])
def test_a_consent_for_what_is_not_there(api, field):
    value = str(uuid.uuid4())
    body = {"kind": "voice", "subject": "Ann", field: [value] if field == "media_ids" else value}
    answer = api.post("/consents", body, format="json")
    assert answer.status_code == 404
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_file_of_another_project_is_not_said_to_be_missing_from_the_account(
    api, user, make_media
):
    one, other = (Project.objects.create(user=user, name=name) for name in ("One", "Other"))
    media = make_media(project=one)
    answer = api.get(f"/projects/{other.pk}/media/{media.pk}")
    assert answer.json()["detail"] == "Not found: no media file with this id in this project."


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("ttts", ["tts"]),
        ("lip_sync", ["lip-sync"]),
        ("123", []),
        ("t" * MAX_NAME_LENGTH, []),
        ("t" * (MAX_NAME_LENGTH + 1), []),
    ],
)
def test_a_feature_that_there_is_not(db, method, name, suggestions):
    answer = getattr(APIClient(), method)(f"/jobs/{name}")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["resource"]) == (
        404,
        "not_found",
        "feature",
    )
    assert problem["suggestions"] == suggestions
    assert "GET /features" in problem["detail"]
    assert all(name in problem["detail"] for name in suggestions)
    assert len(answer.content) < 1000
    assert (repr(name) in problem["detail"]) == (len(name) <= MAX_NAME_LENGTH)


def test_an_estimate_of_a_feature_that_there_is_not(api):
    assert api.post("/jobs/ttts/estimate", {}, format="json").json()["suggestions"] == ["tts"]


@pytest.mark.parametrize(("path", "has_slash"), [("/nowhere", False), ("/projects/", True)])
def test_an_address_that_there_is_not(db, path, has_slash):
    problem = APIClient().get(path).json()
    assert (problem["code"], problem["resource"]) == ("not_found", "address")
    assert problem["detail"].startswith("Not found: there is no such address.")
    assert "/docs" in problem["detail"]
    assert ("do not end with a slash" in problem["detail"]) is has_slash


def test_the_resource_is_described():
    assert "resource" in described()["components"]["schemas"]["Problem"]["properties"]
