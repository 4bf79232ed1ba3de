"""A journey that means the same wherever calls run."""

import pytest

on_each_backend = pytest.mark.parametrize(
    "stack", ["local_stack", "modal_stack"], ids=["local", "modal"], indirect=True
)
"""For those that tell most: each costs its seconds again."""
