"""Eyes closed and half closed in a picture: the upper lid comes down over what stays in place."""

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, RIGHT_EYE
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Array, Axes, Part, stretched

HALF = 8
"""The index of the inner corner, in the loop around an eye."""
BROWS = (105, 334)
"""A point of the brow above each eye: the skin down from there follows the lid."""
LOWER_SHARE = 0.1
"""Of the gap between the lids, the lower one closes this."""
BELOW = 0.5
"""Of the eye's width, below the lower lid: there nothing moves."""
MIN_WIDTH = 4.0
"""Pixels: smaller eyes are left alone."""


def closed(frame: Frame, points: Points, shares: tuple[float, float]) -> Frame:
    """The frame with the person's right and left eye closed by so much, 0 to 1."""
    for loop, brow, share in zip((RIGHT_EYE, LEFT_EYE), BROWS, shares, strict=True):
        if share > 0:
            frame = _closed(frame, points, loop, points[brow], min(1.0, share))
    return frame


def _closed(
    frame: Frame, points: Points, loop: tuple[int, ...], above: Points, share: float
) -> Frame:
    corners = points[[loop[0], loop[HALF]]]
    width = float(np.linalg.norm(corners[0, :2] - corners[1, :2]))
    # From left to right, so that down is down.
    axes = Axes.along(*sorted(corners, key=lambda point: float(point[0])))
    brow = float(axes.of(above[:1], above[1:2])[1][0])
    if width < MIN_WIDTH or brow >= 0:
        return frame
    part = Part(frame, axes, (-width / 2, width / 2), (brow, BELOW * width))
    if part.is_empty:
        return frame
    upper, lower = _lids(points, loop, axes, part.u)
    gap = lower - upper
    upper_to, lower_to = upper + (1 - LOWER_SHARE) * share * gap, lower - LOWER_SHARE * share * gap
    top, bottom = np.full_like(upper, brow), np.full_like(upper, BELOW * width)
    v = stretched(part.v, [(top, top), (upper, upper_to), (lower, lower_to), (bottom, bottom)])
    seen = (part.v >= upper_to) & (part.v < lower_to)
    return part.put(part.taken_from(part.u, np.where(seen, part.v, v)))


def _lids(points: Points, loop: tuple[int, ...], axes: Axes, u: Array) -> tuple[Array, Array]:
    """Both lids in these columns; they meet beyond the corners."""
    lower = np.interp(u, *axes.line(points[list(loop[: HALF + 1])]))
    upper = np.interp(u, *axes.line(points[[*loop[HALF:], loop[0]]]))
    return np.minimum(upper, lower).astype(np.float32), np.maximum(upper, lower).astype(np.float32)
