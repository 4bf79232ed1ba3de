"""`If-Match`: which versions a request is for."""

import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from auteur.api import preconditions


def versions(header: str | None, *, required: bool = False) -> frozenset[int] | None:
    headers = {} if header is None else {"If-Match": header}
    request = Request(APIRequestFactory().get("/", headers=headers))
    return preconditions.versions_of(request, required=required)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("*", None),
        ('"7"', {7}),
        ('W/"7"', {7}),
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
    assert versions(preconditions.etag(7)["ETag"]) == frozenset({7})
