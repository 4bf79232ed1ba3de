"""The limits of the video generation function, at their edges and one past."""

from typing import Any

import pytest
from pydantic import ValidationError

from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS
from gpu_tasks.video_generation.contract import MAX_SECONDS, MIN_SECONDS, Resolution
from tests.gpu_tasks.video_generation.calls import payload

MOST_PIXELS = 832 * 480
"""480p, as the specification bounds it."""


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "x" * MAX_PROMPT_CHARACTERS},
        {"seconds": MIN_SECONDS},
        {"seconds": MAX_SECONDS},
        {"seed": 0},
        {"seed": 2**31 - 1},
    ],
)
def test_what_is_within_the_limits_is_taken(arguments: dict[str, Any]):
    assert payload(**arguments).prompt


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": ""},
        {"prompt": "x" * (MAX_PROMPT_CHARACTERS + 1)},
        {"seconds": MIN_SECONDS - 1},
        {"seconds": MAX_SECONDS + 1},
        {"resolution": "1280x720"},
        {"seed": -1},
        {"seed": 2**31},
    ],
)
def test_what_is_past_them_is_refused(arguments: dict[str, Any]):
    with pytest.raises(ValidationError):
        payload(**arguments)


@pytest.mark.parametrize("resolution", Resolution)
def test_every_resolution_suits_the_model(resolution: Resolution):
    assert resolution.width % 16 == resolution.height % 16 == 0
    assert 0.97 * MOST_PIXELS <= resolution.width * resolution.height <= MOST_PIXELS
