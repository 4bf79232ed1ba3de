"""A journey that means the same wherever calls run."""

from typing import Any

import pytest

from tests.properties import LONG

on_each_backend = pytest.mark.parametrize(
    "stack", ["local_stack", "modal_stack"], ids=["local", "modal"], indirect=True
)
"""For those that tell most: each costs its seconds again."""


def in_long_runs(test: Any) -> Any:
    """For `make properties` alone: kills that the chaos suite deals out in every run."""
    skip = pytest.mark.skipif(not LONG, reason="in long runs only: tests/chaos does the same")
    return pytest.mark.property(skip(test))
