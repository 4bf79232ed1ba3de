"""Dynamic time warping, beside the one of `transformers`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gpu_tasks.transcription import alignment
from gpu_tasks.transcription.alignment import Matrix

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)
MANY_EQUALS = st.integers(-2, 2).map(float)
FEW_EQUALS = st.floats(-10, 10, width=32)


def is_the_path_of_transformers(costs: Matrix) -> None:
    whisper = pytest.importorskip("transformers.models.whisper.generation_whisper")
    expected = whisper._dynamic_time_warping(costs)
    for mine, theirs in zip(alignment.find_cheapest_path(costs), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.torch
@settings(deadline=None)  # the first one imports PyTorch
@given(
    arrays.arrays(np.float64, SHAPES, elements=MANY_EQUALS)
    | arrays.arrays(np.float64, SHAPES, elements=FEW_EQUALS)
)
def test_the_path_is_that_of_transformers(costs: Matrix):
    is_the_path_of_transformers(costs)


@pytest.mark.torch
def test_the_path_of_a_whole_chunk():
    is_the_path_of_transformers(np.random.default_rng(0).normal(size=(60, 1500)))


def test_rows_begin_where_their_costs_are_low():
    costs = np.ones((3, 9))
    costs[0, :2] = costs[1, 2:7] = costs[2, 7:] = 0
    assert alignment.find_row_begins(costs).tolist() == [0, 2, 7]


@pytest.mark.parametrize(("shape", "begins"), [((1, 5), [0]), ((4, 1), [0] * 4), ((1, 1), [0])])
def test_a_single_row_or_column(shape: tuple[int, int], begins: list[int]):
    assert alignment.find_row_begins(np.zeros(shape)).tolist() == begins
