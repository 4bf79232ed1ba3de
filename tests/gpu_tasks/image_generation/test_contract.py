"""The limits of the image generation function, at their edges and one past."""

from typing import Any

import pytest
from pydantic import ValidationError

from gpu_tasks.image_generation.contract import (
    MAX_COUNT,
    MAX_SIDE,
    MAX_TOTAL_PIXELS,
    MIN_SIDE,
    SEEDS,
    SIDE_STEP,
)
from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS
from tests.gpu_tasks.image_generation.calls import payload


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "x" * MAX_PROMPT_CHARACTERS},
        {"width": MIN_SIDE, "height": MAX_SIDE},
        {"count": MAX_COUNT},
        {"seed": 0},
        {"seed": SEEDS - 1},
        {"width": MAX_SIDE, "height": MAX_SIDE, "count": 2},
    ],
)
def test_what_is_within_the_limits_is_taken(arguments: dict[str, Any]):
    assert payload(**arguments).prompt


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": ""},
        {"prompt": "x" * (MAX_PROMPT_CHARACTERS + 1)},
        {"width": MIN_SIDE - SIDE_STEP},
        {"width": MIN_SIDE + 1},
        {"height": MAX_SIDE + SIDE_STEP},
        {"count": 0},
        {"count": MAX_COUNT + 1},
        {"seed": -1},
        {"seed": SEEDS},
        {"width": MAX_SIDE, "height": MAX_SIDE, "count": 3},
    ],
)
def test_what_is_past_them_is_refused(arguments: dict[str, Any]):
    with pytest.raises(ValidationError):
        payload(**arguments)


def test_seeds_begin_again_at_zero():
    assert payload(seed=SEEDS - 1, count=3).seeds == [SEEDS - 1, 0, 1]


def test_four_pictures_of_a_usual_size_fit():
    assert MAX_TOTAL_PIXELS >= 4 * 1408 * 1408
