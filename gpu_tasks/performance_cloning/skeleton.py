"""Stick figures of people, in the colours of OpenPose: what Wan-Animate reads the body's pose from.

Only bodies are drawn. The networks that know hands are not among those that `transformers` has;
the face is told to the model by itself, as pictures.
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
"""Head and shoulders, by which one person is laid over another."""
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
"""Between OpenPose's points, in the order of their colours."""
LIMB_LIGHT = 0.6
COLOURS = [
    tuple(round(255 * part) for part in colorsys.hsv_to_rgb(index / 18, 1, 1))
    for index in range(18)
]
SHORT_SIDE_IN_WIDTHS = 200
"""Limbs are as thick as this part of the picture's shorter side, less a pixel, to each side."""


def drawn(keypoints: Keypoints, width: int, height: int) -> Frame:
    """The figure on black; points under ``MIN_SCORE`` and their limbs are left out."""
    picture = np.zeros((height, width, 3), np.uint8)
    points = _with_neck(keypoints)[list(FROM_COCO)]
    seen = points[:, 2] >= MIN_SCORE
    thick = max(min(height, width) // SHORT_SIDE_IN_WIDTHS - 1, 1)
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        if seen[start] and seen[end]:
            outline = _limb(points[start, :2], points[end, :2], thick)
            cv2.fillConvexPoly(picture, outline, [int(part * LIMB_LIGHT) for part in colour])
    for point, colour, shown in zip(points, COLOURS, seen, strict=True):
        if shown:
            cv2.circle(picture, (int(point[0]), int(point[1])), thick, colour, thickness=-1)
    return picture


def _with_neck(keypoints: Keypoints) -> Keypoints:
    neck = keypoints[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=0)
    return np.vstack([keypoints, neck]).astype(np.float32)


def _limb(start: Keypoints, end: Keypoints, thick: int) -> NDArray[np.int32]:
    middle = (start + end) / 2
    along = end - start
    angle = int(np.rad2deg(np.arctan2(along[1], along[0])))
    axes = (int(np.hypot(*along) / 2), thick)
    centre = (int(middle[0]), int(middle[1]))
    return np.asarray(cv2.ellipse2Poly(centre, axes, angle, 0, 360, 1), np.int32)


def laid_over(keypoints: Keypoints, person: Keypoints, goal: Keypoints) -> Keypoints:
    """A performer's points, enlarged and moved as ``person`` must be to lie over ``goal``.

    Both are told by their heads and shoulders, as far as they are seen in both; with fewer than
    two such points nothing is changed.
    """
    both = (person[UPPER, 2] >= MIN_SCORE) & (goal[UPPER, 2] >= MIN_SCORE)
    if both.sum() < 2:  # a point has no size
        return keypoints
    ours, theirs = person[UPPER][both, :2], goal[UPPER][both, :2]
    scale = _size(theirs) / max(_size(ours), 1e-6)
    moved = keypoints.copy()
    moved[:, :2] = (keypoints[:, :2] - ours.mean(axis=0)) * scale + theirs.mean(axis=0)
    return moved


def _size(points: Keypoints) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
