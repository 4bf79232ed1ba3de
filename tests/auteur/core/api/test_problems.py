"""Every error is a problem document, whoever raised it."""

import json

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from auteur.core.api import problems


def problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert {"type", "title", "status", "code", "detail"} <= set(body)
    assert body["status"] == answer.status_code
    return body["code"]


def test_unknown_addresses(db):
    answer = APIClient().get("/nowhere")
    assert (answer.status_code, problem(answer)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/jobs/not-a-uuid", "/projects/%00", "/media/1;2"])
def test_addresses_that_cannot_be(api, path):
    answer = api.get(path)
    assert (answer.status_code, problem(answer)) == (404, "not_found")


def test_no_token(db):
    answer = APIClient().get("/jobs")
    assert (answer.status_code, problem(answer)) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_method_that_is_not_there(api):
    answer = api.put("/jobs", {}, format="json")
    assert (answer.status_code, problem(answer)) == (405, "method_not_allowed")
    assert "GET" in answer["Allow"]


def test_a_body_that_is_no_json(api):
    answer = api.post("/projects", b"{", content_type="application/json")
    assert (answer.status_code, problem(answer)) == (400, "parse_error")


def test_a_body_of_another_type(api):
    answer = api.post("/projects", b"<a/>", content_type="application/xml")
    assert (answer.status_code, problem(answer)) == (415, "unsupported_media_type")


def test_a_body_at_the_limit_and_one_byte_past_it(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    padding = 100 - len(b'{"name":""}')
    exact = b'{"name":"' + b"x" * padding + b'"}'
    assert api.post("/projects", exact, content_type="application/json").status_code == 201
    answer = api.post("/projects", exact + b" ", content_type="application/json")
    assert (answer.status_code, problem(answer)) == (413, "payload_too_large")


def test_nested_errors_name_their_fields():
    from rest_framework import serializers

    class Inner(serializers.Serializer):
        size = serializers.IntegerField(max_value=3)

    class Outer(serializers.Serializer):
        parts = Inner(many=True)
        name = serializers.CharField()

    serializer = Outer(data={"parts": [{"size": 1}, {"size": 9}]})
    serializer.is_valid()
    error = serializers.ValidationError(serializer.errors)
    answer = problems.exception_handler(error, {})
    assert [(e["field"], e["code"]) for e in answer.data["errors"]] == [
        ("parts.1.size", "max_value"),
        ("name", "required"),
    ]


def test_a_store_that_is_away_is_503_and_no_fault_of_the_client():
    answer = problems.exception_handler(OperationalError("connection to 10.0.0.1 refused"), {})
    assert (answer.status_code, answer.data["code"]) == (503, "unavailable")
    assert answer["Retry-After"] == "5"
    assert "10.0.0.1" not in str(answer.data)


def test_what_we_do_not_know_is_left_to_django():
    assert problems.exception_handler(ValueError("bug"), {}) is None


def test_a_bug_of_ours_shows_no_traceback(db, settings, rf):
    answer = problems.server_error(rf.get("/jobs"))
    assert (answer.status_code, problem(answer)) == (500, "internal_error")
    assert "Traceback" not in answer.content.decode()


def test_an_unknown_host(db):
    answer = APIClient().get("/jobs", headers={"Host": "evil.example"})
    assert (answer.status_code, problem(answer)) == (400, "bad_request")
