"""Close eyes in a picture, fully or partly: the upper lid moves down over the eye."""

from collections.abc import Sequence

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, RIGHT_EYE
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Patch, stretch, to_pixels

HALF = 8
"""The index of the inner corner, in the loop around an eye."""
EYES = ((RIGHT_EYE, (33, 133), 105), (LEFT_EYE, (362, 263), 334))
"""The loop around each eye, its corners, and a point of the brow above it: the skin below it
follows the lid.
"""
BELOW = 0.5
"""In widths of the eye, below its corners: pixels from there on do not move."""


def close_eyes(frame: Frame, points: Points, shares: Sequence[float]) -> Frame:
    """Return the frame with the person's right and left eye closed by these shares, 0 to 1."""
    face = to_pixels(points)
    for (loop, corners, brow), share in zip(EYES, shares, strict=True):
        patch = Patch(frame, face[list(corners)], face[[brow]], BELOW)
        if patch.is_too_small or share <= 0:
            continue
        lower = patch.trace_line(face[list(loop[: HALF + 1])])
        upper = patch.trace_line(face[[*loop[HALF:], loop[0]]])
        goal = upper + share * np.maximum(lower - upper, 0)
        top, floor = float(patch.to_uv(face[brow])[1]), BELOW * patch.length
        v = stretch(patch.v, [top, upper, lower, floor], [top, goal, lower, floor])
        still_open = (patch.v >= goal) & (patch.v < lower)
        frame = patch.paste(
            patch.sample(patch.to_pixels(patch.u, np.where(still_open, patch.v, v)))
        )
    return frame
