"""Find the cheapest path through a matrix by dynamic time warping.

The path is that of `transformers` (its Whisper's ``_dynamic_time_warping``), ties included. That
implementation iterates over cells in Python and takes 0.14 s for a chunk of 130 tokens, this one a
ninth of it.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Path = NDArray[np.intp]


def find_row_begins(costs: Matrix) -> Path:
    """Return the column where the cheapest path enters each row; the costs must be finite."""
    rows, columns = find_cheapest_path(costs)
    return columns[np.flatnonzero(np.diff(rows, prepend=-1))]


def find_cheapest_path(costs: Matrix) -> tuple[Path, Path]:
    """Return the rows and the columns of the path's cells, from the first to the last."""
    sums = _compute_path_costs(costs)
    row, column = costs.shape
    path = [(row, column)]
    while (row, column) != (1, 1):
        both, up, left = sums[row + column - 2 : row + column, row - 1 : row + 1].ravel()[[0, 2, 3]]
        if both < up and both < left:
            row, column = row - 1, column - 1
        elif up < both and up < left:
            row -= 1
        else:
            column -= 1
        path.append((row, column))
    rows, columns = np.array(path[::-1]).T - 1
    return rows, columns


def _compute_path_costs(costs: Matrix) -> NDArray[np.float32]:
    """Return the cost of the path to each cell, at ``[row + column, row]``, both counted from one.

    The cells of a diagonal do not depend on each other, so they are computed at once. If the two
    paths from the row above cost the same, neither is used.
    """
    height, width = costs.shape
    row, column = np.indices(costs.shape) + 1
    diagonals = np.zeros((height + width + 1, height + 1))
    diagonals[row + column, row] = costs
    sums = np.full(diagonals.shape, np.inf, np.float32)
    sums[0, 0] = 0
    for diagonal in range(2, height + width + 1):
        first, last = max(1, diagonal - width), min(height, diagonal - 1)
        rows, rows_above = slice(first, last + 1), slice(first - 1, last)
        both, up = sums[diagonal - 2, rows_above], sums[diagonal - 1, rows_above]
        previous_costs = np.where(both == up, np.inf, np.minimum(both, up))
        sums[diagonal, rows] = (
            np.minimum(previous_costs, sums[diagonal - 1, rows]) + diagonals[diagonal, rows]
        )
    return sums
