"""Eyes closed and half closed in a picture: the upper lid comes down over what stays in place."""

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, RIGHT_EYE
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Patch, pixels_of, stretched

HALF = 8
"""The index of the inner corner, in the loop around an eye."""
EYES = ((RIGHT_EYE, (33, 133), 105), (LEFT_EYE, (362, 263), 334))
"""The loop around each eye, its corners, and a point of the brow above it: the skin down from there
follows the lid.
"""
LOWER_SHARE = 0.1
"""Of the gap between the lids, the lower one closes this."""
BELOW = 0.5
"""Of the eye's width, below its corners: there nothing moves."""


def closed(frame: Frame, points: Points, shares: tuple[float, float]) -> Frame:
    """The frame with the person's right and left eye closed by so much, 0 to 1."""
    for (loop, corners, brow), share in zip(EYES, shares, strict=True):
        patch = Patch(frame, points[list(corners)], points[[brow]], BELOW)
        if patch.is_too_small or share <= 0:
            continue
        lower = patch.edge(points[list(loop[: HALF + 1])], patch.u)
        upper = patch.edge(points[[*loop[HALF:], loop[0]]], patch.u)
        gap = np.maximum(lower - upper, 0)
        upper_goal = upper + (1 - LOWER_SHARE) * share * gap
        lower_goal = lower - LOWER_SHARE * share * gap
        top, floor = float(patch.of(pixels_of(points[[brow]]))[1][0]), BELOW * patch.length
        v = stretched(patch.v, [top, upper, lower, floor], [top, upper_goal, lower_goal, floor])
        open_still = (patch.v >= upper_goal) & (patch.v < lower_goal)
        frame = patch.put(patch.take(patch.to(patch.u, np.where(open_still, patch.v, v))))
    return frame
