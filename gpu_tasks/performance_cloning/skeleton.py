"""Draw stick figures of people in the colours of OpenPose, from which Wan-Animate reads poses.

Only bodies are drawn. `transformers` has no network for hands; the model gets the face separately,
as pictures.
"""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame

Keypoints = NDArray[np.float32]
"""17 × 3: x and y in pixels, and a score, in COCO's order: nose, eyes, ears, shoulders, elbows,
wrists, hips, knees, ankles, the person's left one first."""

MIN_SCORE = 0.5
UPPER = slice(0, 7)
"""Head and shoulders, by which persons are aligned."""
LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6
FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's points among COCO's, with the neck as an eighteenth."""
LIMBS = (
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
)
"""Pairs of OpenPose's points, in the order of their colours."""
LIMB_LIGHT = 0.6
COLOURS = [
    tuple(round(255 * part) for part in colorsys.hsv_to_rgb(index / 18, 1, 1))
    for index in range(18)
]
SHORT_SIDE_IN_WIDTHS = 200
"""Half the thickness of limbs is the picture's shorter side divided by this, less a pixel."""


def draw_figure(keypoints: Keypoints, width: int, height: int) -> Frame:
    """Draw the figure on black; points under ``MIN_SCORE`` and their limbs are left out."""
    picture = np.zeros((height, width, 3), np.uint8)
    points = _add_neck(keypoints)[list(FROM_COCO)]
    is_visible = points[:, 2] >= MIN_SCORE
    radius = max(min(height, width) // SHORT_SIDE_IN_WIDTHS - 1, 1)
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        if is_visible[start] and is_visible[end]:
            outline = _build_limb_outline(points[start, :2], points[end, :2], radius)
            cv2.fillConvexPoly(picture, outline, [int(channel * LIMB_LIGHT) for channel in colour])
    for point, colour, point_visible in zip(points, COLOURS, is_visible, strict=True):
        if point_visible:
            cv2.circle(picture, (int(point[0]), int(point[1])), radius, colour, thickness=-1)
    return picture


def _add_neck(keypoints: Keypoints) -> Keypoints:
    neck = keypoints[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=0)
    return np.vstack([keypoints, neck]).astype(np.float32)


def _build_limb_outline(start: Keypoints, end: Keypoints, radius: int) -> NDArray[np.int32]:
    middle = (start + end) / 2
    direction = end - start
    angle = int(np.rad2deg(np.arctan2(direction[1], direction[0])))
    axes = (int(np.hypot(*direction) / 2), radius)
    centre = (int(middle[0]), int(middle[1]))
    return np.asarray(cv2.ellipse2Poly(centre, axes, angle, 0, 360, 1), np.int32)


def align_keypoints(keypoints: Keypoints, person: Keypoints, goal: Keypoints) -> Keypoints:
    """Return a performer's points, scaled and moved as ``person`` must be to match ``goal``.

    Both are aligned by the points of heads and shoulders visible in both; with fewer than two such
    points nothing is changed.
    """
    visible_in_both = (person[UPPER, 2] >= MIN_SCORE) & (goal[UPPER, 2] >= MIN_SCORE)
    if visible_in_both.sum() < 2:  # a single point has no size
        return keypoints
    person_points, goal_points = (
        person[UPPER][visible_in_both, :2],
        goal[UPPER][visible_in_both, :2],
    )
    scale = _measure_spread(goal_points) / max(_measure_spread(person_points), 1e-6)
    result = keypoints.copy()
    result[:, :2] = (keypoints[:, :2] - person_points.mean(axis=0)) * scale + goal_points.mean(
        axis=0
    )
    return result


def _measure_spread(points: Keypoints) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
