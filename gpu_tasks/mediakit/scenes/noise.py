"""Random textures: smooth, of several sizes at once, the same for the same generator."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""Height × width, 0 to 1 where nothing else is said; with three columns of colour, 0 to 255."""

LACUNARITY = 1.87
"""How much finer each octave is."""


def fractal(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    cells: float,
    octaves: int = 5,
    gain: float = 0.5,
    stretch: float = 1.0,
) -> Field:
    """Value noise summed over octaves (Perlin 1985), spread to the whole range.

    ``cells`` are the lumps along the height in the first octave; ``stretch`` widens them.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        rows = max(2, round(cells * LACUNARITY**octave))
        columns = max(2, round(rows * width / height / stretch))
        grid = rng.random((rows + 1, columns + 1), np.float32)
        # One cell more, cut off at a random place: else the edges of all octaves' cells coincide.
        more = (width + -(-width // columns), height + -(-height // rows))
        large = cv2.resize(grid, more, interpolation=cv2.INTER_CUBIC)
        x, y = rng.integers(more[0] - width + 1), rng.integers(more[1] - height + 1)
        total += gain**octave * large[y : y + height, x : x + width]
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)


def ridge(
    rng: np.random.Generator, width: int, *, cells: float, octaves: int = 6, gain: float = 0.5
) -> Field:
    """A line of hills: one height of 0 to 1 for each column; ``cells`` hills side by side."""
    total = np.zeros(width, np.float32)
    for octave in range(octaves):
        points = max(3, round(cells * 2**octave))
        grid = rng.random((1, points), np.float32)
        line = cv2.resize(grid, (width, 1), interpolation=cv2.INTER_CUBIC)
        total += gain**octave * line[0]
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)


def tileable(
    rng: np.random.Generator, size: int, *, cells: int, octaves: int = 4, gain: float = 0.55
) -> Field:
    """A square of noise whose opposite edges meet."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        count = cells * 2**octave
        grid = np.pad(rng.random((count, count), np.float32), 2, mode="wrap")
        cell = size // count
        large = cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
        total += gain**octave * large[2 * cell : 2 * cell + size, 2 * cell : 2 * cell + size]
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)
