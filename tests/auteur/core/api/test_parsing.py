"""Bodies that are no JSON, or more of it than any request needs, are refused as such."""

import json

import pytest
from rest_framework.test import APIClient

from auteur.core.api import parsing
from auteur.core.api.problems import MAX_DETAIL_LENGTH, MAX_ERRORS
from auteur.wsgi import application
from jobs.submission import MAX_BATCH
from tests.conftest import bearer
from tests.costs import cost_of

JSON = "application/json"


def post(api: APIClient, path: str, body: str | bytes, content_type: str = JSON):
    return api.post(path, body, content_type=content_type)


def refused(answer) -> str:
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "parse_error"
    return answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "a", "name": "b"}',
        '{"name": NaN}',
        '{"name": -Infinity}',
        '{"name": 1e999}',
        '{"name": "\\ud800"}',
        '{"name": "\\ude00\\ud83d"}',
        '{"name": "a\\u0000b"}',
        '{"\\udfff": 1}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\x00"}',
        '\ufeff{"name": "a"}',
        "[" * 100_000 + "]" * 100_000,
        '{"name": "' + '\\"' * 100_000,
        "]",
        "",
    ],
    ids=lambda body: str(body)[:24],
)
def test_what_stores_or_strict_readers_cannot_hold_is_no_json(api, body):
    assert refused(post(api, "/projects", body or " "))


def test_a_pair_of_surrogates_and_an_escaped_escape_are_text(api):
    answer = post(api, "/projects", '{"name": "\\ud83d\\ude00 \\\\u0000 \\\\ud800"}')
    assert answer.json()["name"] == "😀 \\u0000 \\ud800"


@pytest.mark.parametrize("charset", ["utf-16", "zip", "punycode", "latin-1", "nonsense"])
def test_json_is_utf_8_whatever_its_header_says(rf, user, charset):
    def answer(method, path, body=""):
        headers = {"Authorization": f"Bearer {bearer(user.pk, user.email)}"}
        environ = rf.generic(method, path, body.encode(), JSON, headers=headers).environ
        environ["CONTENT_TYPE"] = f"{JSON}; charset={charset}"
        return application.get_response(application.request_class(environ))

    result = answer("POST", "/projects", '{"name": "ä"}')
    assert (result.status_code, json.loads(result.content)["name"]) == (201, "ä")
    results = answer("GET", "/projects?search=%C3%A4")
    assert [project["name"] for project in json.loads(results.content)["projects"]] == ["ä"]
    assert answer("GET", "/projects?a=%FF").status_code == 400


AT_THE_EDGE = [
    (lambda n: "[" * n + "]" * n, parsing.MAX_DEPTH),
    (lambda n: "[" + "0," * (n - 2) + "0]", parsing.MAX_VALUES),
    (lambda n: json.dumps({str(i): 0 for i in range(n)}), parsing.MAX_MEMBERS),
    (lambda n: "0." + "0" * (n - 2), parsing.MAX_NUMBER_LENGTH),
    (str, parsing.MAX_INTEGER),
    (lambda n: str(-1 - n), parsing.MAX_INTEGER),
]


@pytest.mark.parametrize(("result", "limit"), AT_THE_EDGE)
def test_each_bound_at_its_edge(result, limit):
    parsing.parse_json(result(limit))
    with pytest.raises(ValueError, match=r"more than|too long"):
        parsing.parse_json(result(limit + 1))


@pytest.mark.parametrize("digits", ["9" * 4301, "9" * 1_000_000, "9" * 1_000_000 + ".0"])
def test_numbers_of_thousands_of_digits(api, digits):
    body = '{"filename": "a", "content_type": "video/mp4", "size_bytes": ' + digits + "}"
    assert "number" in (result := refused(post(api, "/voices", body))) or "integer" in result


def test_commas_and_brackets_in_texts_are_no_values():
    assert len(parsing.parse_json('"' + ',[{\\"' * 200_000 + '"')) == 800_000


@pytest.mark.parametrize(
    "body", ["[" + "{}," * 690_000 + "{}]", '{"a":' * 300_000, '["' + '\\n",0,"' * 240_000]
)
def test_a_body_full_of_small_things_costs_little(body):
    """Measured 0.2 s and 49 MB."""

    def work():
        with pytest.raises(ValueError, match=r"It |An "):
            parsing.parse_json(body)

    assert cost_of(work).is_small


def test_a_batch_of_100_000_jobs_is_not_looked_into(api):
    body = json.dumps({"jobs": [{}] * 100_000})
    errors = post(api, "/jobs/batch", body).json()["errors"]
    assert [(e["field"], e["code"]) for e in errors] == [("jobs", "max_length")]
    assert cost_of(lambda: post(api, "/jobs/batch", body)).is_small


def test_a_batch_at_the_edge_is_looked_into(api):
    answer = post(api, "/jobs/batch", json.dumps({"jobs": [{}] * MAX_BATCH}))
    errors = answer.json()["errors"]
    assert len(errors) == MAX_ERRORS
    assert (errors[-1]["field"], errors[-1]["code"]) == ("jobs.49.type", "required")


def test_a_value_is_not_repeated_at_length(api):
    job = {"type": "x" * 1_000_000, "media_id": "y" * 500_000}
    answer = post(api, "/jobs/batch", json.dumps({"jobs": [job]}))
    assert answer.status_code == 400
    assert len(answer.content) < 3 * MAX_DETAIL_LENGTH


@pytest.mark.parametrize("path", ["/jobs", "/users/me", "/projects"])
def test_a_format_in_the_address_is_an_unknown_parameter(api, path):
    assert APIClient().get(f"{path}?format=x").status_code == 401
    answer = api.get(f"{path}?format=x")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "format")


@pytest.mark.parametrize("path", ["/docs", "/schema", "/jobs", "/projects", "/storage/a"])
def test_options_are_not_told(api, path):
    answer = api.options(path)
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert answer.json()["code"] == "method_not_allowed"
