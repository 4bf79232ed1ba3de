"""`If-Match`: which versions a request is for."""

import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from auteur.core.api import preconditions


def versions(header: str | None, *, required: bool = False) -> frozenset[int] | None:
    headers = {} if header is None else {"If-Match": header}
    request = Request(APIRequestFactory().get("/", headers=headers))
    return preconditions.parse_versions(request, required=required)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("*", None),
        ('"7"', {7}),
        ('W/"7"', {7}),
        ('"7.5f2"', {7}),
        ('"7", "8"', {7, 8}),
        ('"other"', set()),
        ('""', set()),
        (", ".join(['"7"'] * preconditions.MAX_TAGS), {7}),
    ],
)
def test_what_is_understood(header: str | None, expected: set[int] | None) -> None:
    assert versions(header) == (None if expected is None else frozenset(expected))


@pytest.mark.parametrize(
    "header", ["7", '"7', '"7" "8"', '"7",', '"a b"', ", ".join(['"7"'] * 11), f'"{"7" * 65}"']
)
def test_what_is_malformed(header: str) -> None:
    with pytest.raises(preconditions.InvalidIfMatchProblem):
        versions(header)


def test_what_must_be_there() -> None:
    with pytest.raises(preconditions.PreconditionRequiredProblem):
        versions(None, required=True)
    assert versions("*", required=True) is None


def test_a_version_is_its_own_tag() -> None:
    assert versions(preconditions.build_etag_header(7)["ETag"]) == frozenset({7})


@pytest.mark.parametrize("header", ['"7.a"', 'W/"7.a"', '"6", "7.a"', "*"])
def test_who_has_it_is_told_so(header: str) -> None:
    answer = preconditions.build_not_modified_response(_read(header), lambda: "7.a")
    assert answer is not None
    assert (answer.status_code, answer["ETag"], answer.data) == (304, '"7.a"', None)


@pytest.mark.parametrize("header", ['"7"', '"7.b"', "7.a", '""'])
def test_who_has_another_one_is_not(header: str) -> None:
    assert preconditions.build_not_modified_response(_read(header), lambda: "7.a") is None


def test_who_names_none_costs_no_look() -> None:
    def fail() -> int:
        raise AssertionError

    assert (
        preconditions.build_not_modified_response(Request(APIRequestFactory().get("/")), fail)
        is None
    )


def _read(header: str) -> Request:
    return Request(APIRequestFactory().get("/", headers={"If-None-Match": header}))
