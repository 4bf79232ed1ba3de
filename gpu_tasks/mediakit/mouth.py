"""Opening and closing of a mouth in a picture, with the jaw that follows it.

What lies between the lips, such as teeth, hangs from the upper lip; below it is darkness.
"""

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import INNER_LIPS, OUTER_LIPS
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Patch, compute_fade, stretch, to_pixels

CORNERS = (78, 308)
"""Corners of the opening between the lips. Their distance is the mouth's width."""
UPPER_LIP, LOWER_LIP = 13, 14
UNDER_NOSE, CHIN = 2, 152
HALF = len(INNER_LIPS) // 2
LOWER_EDGES = INNER_LIPS[: HALF + 1], OUTER_LIPS[: HALF + 1]
UPPER_EDGES = (*OUTER_LIPS[HALF:], OUTER_LIPS[0]), (*INNER_LIPS[HALF:], INNER_LIPS[0])
"""Edges of each lip, from above to below."""

MEETING = 0.3
"""Where open lips meet when they close: the distance from the upper lip, as a share of the gap."""
LOWER_SHARE = 0.8
"""The share of an opening by which the lower lip goes down; the upper lip goes up by the rest."""
JAW_SHARE = 0.6
"""The share of the lower lip's way that the chin goes."""
ROUNDNESS = 0.75
"""Exponent of the opening's outline: 0.5 is an ellipse, 1 a parabola."""
CHEEK, BELOW_CHIN = 1.3, 0.6
"""Where movement ends, beside the mouth's middle and below the chin, in mouth widths."""
EDGE = 0.03
"""Width of the transition from a lip to the darkness, in mouth widths."""
DARK = np.array([0.4, 0.17, 0.15])
"""The colour behind the lips, relative to the mean brightness around the mouth."""


def measure_opening(points: Points) -> float:
    """Return the height of the gap between the lips, as a share of the mouth's width."""
    upper, lower, right, left = to_pixels(points[[UPPER_LIP, LOWER_LIP, *CORNERS]])
    return float(abs(upper - lower) / max(abs(right - left), 1e-6))


def open_mouth(frame: Frame, points: Points, opening: float) -> Frame:
    """Return the frame with the mouth of the face with these landmarks opened.

    ``opening`` is the height of the gap in its middle, as a share of the mouth's width, 0 to 1.
    """
    face = to_pixels(points)
    patch = Patch(frame, face[list(CORNERS)], face[[UNDER_NOSE, CHIN]], BELOW_CHIN)
    if patch.is_too_small:
        return frame
    width, u, v = patch.length, patch.u, patch.v
    upper_outer, upper = (patch.trace_line(face[list(edge)]) for edge in UPPER_EDGES)
    lower, lower_outer = (patch.trace_line(face[list(edge)]) for edge in LOWER_EDGES)
    gap = np.maximum(lower - upper, 0)
    opening = float(np.clip(opening, 0, 1))
    height = opening * width * np.maximum(1 - (2 * u / width) ** 2, 0) ** ROUNDNESS
    upper_goal = upper + MEETING * gap - (1 - LOWER_SHARE) * height
    lower_goal = upper + MEETING * gap + LOWER_SHARE * height

    # Current rows and goals from the nose to below the chin. Lips keep their thickness.
    nose, chin = patch.to_uv(face[[UNDER_NOSE, CHIN]])[1]
    floor = chin + BELOW_CHIN * width
    drop = (LOWER_SHARE * opening - (1 - MEETING) * measure_opening(points)) * width
    chin_goal = chin + JAW_SHARE * drop * compute_fade(np.abs(u), width / 2, CHEEK * width)
    upper_outer_goal = upper_outer + upper_goal - upper
    lower_outer_goal = np.minimum(lower_outer + lower_goal - lower, chin_goal)
    starts = [nose, upper_outer, upper, lower, lower_outer, chin, floor]
    goals = [nose, upper_outer_goal, upper_goal, lower_goal, lower_outer_goal, chin_goal, floor]

    under, over = v - upper_goal, lower_goal - v
    hanging = upper + np.minimum(under, gap)
    source = np.where((under >= 0) & (over > 0), hanging, stretch(v, starts, goals))
    picture = patch.sample(patch.to_pixels(u, source))
    dark = np.clip(np.minimum(under - gap, over) / max(1.0, EDGE * width), 0, 1)[..., None]
    return patch.paste(picture + (DARK * picture.mean() - picture) * dark)
