"""Each operation lists the problems that it can answer."""

import pytest
from rest_framework.views import APIView

from auteur.core.api import problem_responses
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.problems import CONTENT_TYPE, Problem
from jobs.lifecycle import JobFinishedProblem
from tests.contract import ContractClient, codes_of, described

ELSEWHERE = (
    "auteur.live",
    "credits.corrections",
    "credits.ledger.NoGrantProblem",
    "credits.ledger.TooManyGrantsProblem",
    "jobs.http.callbacks",
    "jobs.lifecycle.calls",
    "jobs.lifecycle.locking.JobWaitsForMediaProblem",
    "media.problems.UploadRefusedProblem",
    "media.storage",
    "tests",
)
"""What no operation of the schema answers: staff's pages, callbacks, signed URLs, other processes,
and what others derive from."""


class Open(APIView):
    """For anybody."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    problems = {"GET": (JobFinishedProblem,)}
    pagination_class = build_cursor_pagination("things")


PATH = {"in": "path", "name": "id"}
KEY = {"in": "header", "name": "Idempotency-Key"}


def listed(method="GET", *, view=Open, **operation):
    codes = problem_responses.list_codes(view(), method, operation)
    return {f"{status} {code}" for status in codes for code in codes[status]}


ALWAYS = {
    "400 bad_request",
    "400 invalid",
    "406 not_acceptable",
    "500 internal_error",
    "503 unavailable",
}


def test_what_a_view_declares_is_listed_for_its_method_alone():
    of_lists = {"400 invalid_cursor", "400 invalid_limit"}
    assert listed() == ALWAYS | of_lists | {"409 job_finished"}
    assert listed("DELETE") == ALWAYS


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        ({"parameters": [PATH]}, {"404 not_found"}),
        (
            {"parameters": [KEY]},
            {
                "400 invalid_idempotency_key",
                "409 idempotency_conflict",
                "409 idempotency_key_taken",
            },
        ),
    ],
)
def test_what_follows_from_the_operation(operation, codes):
    assert listed("DELETE", **operation) == ALWAYS | codes


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_methods_with_bodies(method):
    of_bodies = {"400 parse_error", "413 payload_too_large", "415 unsupported_media_type"}
    assert listed(method) == ALWAYS | of_bodies


def test_who_may_ask():
    def codes(method, path):
        return set(codes_of(described()["paths"][path][method])[403])

    assert {"scope_required", "sign_in_required"} <= codes("post", "/jobs/transcription")
    assert "sign_in_required" not in codes("get", "/jobs")
    assert "account_closing" not in codes("get", "/jobs")
    assert {"key_not_allowed", "account_closing"} <= codes("post", "/api-keys")


def test_every_problem_of_ours_is_listed_by_an_operation():
    result = {
        code
        for path in described()["paths"].values()
        for operation in path.values()
        for codes in codes_of(operation).values()
        for code in codes
    }
    names = {f"{kind.__module__}.{kind.__name__}": kind.default_code for kind in _all(Problem)}
    missing = {name for name, code in names.items() if code not in result}
    assert {name for name in missing if not _is_elsewhere(name)} == set()


def _is_elsewhere(name):
    return name.startswith(ELSEWHERE) or "admin." in name


def _all(kind):
    return {item for sub in kind.__subclasses__() for item in ({sub} | _all(sub))}


def test_the_client_of_the_tests_refuses_what_is_not_listed(api, monkeypatch):
    assert isinstance(api, ContractClient)
    assert api.get("/jobs", {"limit": 0}).json()["code"] == "invalid_limit"
    monkeypatch.setattr("auteur.core.api.pagination.InvalidLimitProblem.default_code", "surprise")
    with pytest.raises(AssertionError, match="get /jobs does not list 400 surprise"):
        api.get("/jobs", {"limit": 0})


def test_answers_that_are_alike_stand_once():
    answers = described()["components"]["responses"]
    assert all(CONTENT_TYPE in answer["content"] for answer in answers.values())
    jobs, projects = (described()["paths"][path]["get"] for path in ("/jobs", "/projects"))
    assert jobs["responses"]["401"] == projects["responses"]["401"]
    assert set(jobs["responses"]["401"]) == {"$ref"}
