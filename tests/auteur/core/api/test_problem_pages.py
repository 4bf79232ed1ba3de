"""`/problems`, where the types of problems lead."""

import re

import pytest
from django.test import Client

from auteur.core.api import problem_pages
from tests.contract import codes_of, described

pytestmark = pytest.mark.django_db


@pytest.fixture
def anchors() -> set[str]:
    answer = Client().get("/problems")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/html")
    return set(re.findall(r'<h2 id="(\w+)">', answer.content.decode()))


def test_every_code_of_the_api_is_explained(anchors) -> None:
    result = {
        code
        for path in described()["paths"].values()
        for operation in path.values()
        for codes in codes_of(operation).values()
        for code in codes
    }
    assert len(result) > 50
    assert result - anchors == set()


def test_every_explanation_says_something() -> None:
    for problem in problem_pages.list_problems():
        assert problem.meaning, problem.code
        assert problem.statuses, problem.code
        assert all(400 <= status < 600 for status in problem.statuses)


def test_a_code_of_several_problems_has_one_explanation() -> None:
    codes = [problem.code for problem in problem_pages.list_problems()]
    assert len(codes) == len(set(codes))
    (result,) = [
        problem
        for problem in problem_pages.list_problems()
        if problem.code == "unsupported_media_type"
    ]
    assert problem_pages.OTHER_CODES[result.code][1] in result.meaning
    assert result.meaning != problem_pages.OTHER_CODES[result.code][1]


@pytest.mark.parametrize("path", ["/jobs", "/nowhere", "/projects?limit=0", "/media?sort=x"])
def test_a_type_leads_to_its_explanation(api, anchors, path) -> None:
    for client in (api, Client()):
        problem = client.get(path)
        if problem.status_code >= 400:
            document = problem.json()
            assert document["type"] == f"/problems#{document['code']}"
            assert document["code"] in anchors


def test_it_is_only_read() -> None:
    assert Client().post("/problems").status_code == 405
