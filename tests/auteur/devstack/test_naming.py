"""The check of names in product code."""

import pytest

from auteur.devstack.naming import list_empty_names


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "def told(): ...",
        "def send(wanted): ...",
        "class Kept: ...",
        "for one in (): ...",
        "self._held = 1",
        "import os as left",
        "rows = [each for each in ()]",
        "if (given := 1): ...",
        "match 1:\n    case known: ...",
    ],
)
def test_each_way_to_define_an_empty_name_is_found(source: str) -> None:
    assert len(list(list_empty_names(source))) == 1


@pytest.mark.parametrize("source", ["rows = 1", "payload['found']", "lost_and_found = 1", "x.left"])
def test_other_names_and_mere_uses_are_not(source: str) -> None:
    assert list(list_empty_names(source)) == []
