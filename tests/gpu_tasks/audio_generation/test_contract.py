"""The bounds of the parameters."""

import pytest
from pydantic import ValidationError

from gpu_tasks.audio_generation.contract import (
    MAX_DURATION_SEC,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    MIN_DURATION_SEC,
)
from tests.gpu_tasks.audio_generation.calls import payload


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "x"},
        {"prompt": "x" * MAX_PROMPT_CHARACTERS},
        {"duration_sec": MIN_DURATION_SEC},
        {"duration_sec": MAX_DURATION_SEC},
        {"seed": 0},
        {"seed": MAX_SEED},
    ],
)
def test_what_lies_within_the_bounds_is_taken(arguments: dict[str, object]):
    output = payload(**arguments)  # type: ignore[arg-type]
    assert all(getattr(output, name) == value for name, value in arguments.items())


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": ""},
        {"prompt": "x" * (MAX_PROMPT_CHARACTERS + 1)},
        {"duration_sec": MIN_DURATION_SEC - 1},
        {"duration_sec": MAX_DURATION_SEC + 1},
        {"duration_sec": 1.5},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
    ],
)
def test_what_lies_outside_is_refused(arguments: dict[str, object]):
    with pytest.raises(ValidationError):
        payload(**arguments)  # type: ignore[arg-type]
