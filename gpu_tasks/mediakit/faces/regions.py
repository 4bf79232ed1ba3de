"""The regions of the mesh as numbers of landmarks, and triangles between landmarks.

Right and left are the person's. The numbers are the network's (see its model card).
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.networks import FOLDER


def _parse_numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


OVAL = _parse_numbers("""
    10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377
    152 148 176 149 150 136 172 58 132 93 234 127 162 21 54 103 67 109
""")
"""Around the face, from the middle of the forehead towards the person's left."""
OUTER_LIPS = _parse_numbers("""
    61 146 91 181 84 17 314 405 321 375 291 409 270 269 267 0 37 39 40 185
""")
"""Around the lips, from the right corner along the lower edge."""
INNER_LIPS = _parse_numbers("""
    78 95 88 178 87 14 317 402 318 324 308 415 310 311 312 13 82 81 80 191
""")
"""Around the opening of the mouth, in the same order."""
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
"""Around the eyes, from the outer corner along the lower lid."""
RIGHT_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
LEFT_BROW = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
NOSE = (168, 6, 197, 195, 5, 4, 1, 2, 98, 97, 326, 327, 48, 278, 64, 294)
"""The ridge from between the eyes to the tip, then the underside and the wings."""
FIRM = (168, 6, 197, 195, 5, 4, 10, 151, 9, 33, 133, 362, 263, 127, 356, 234, 454, 93, 323)
"""Landmarks that no expression moves much, from which the head's pose is computed."""

CANONICAL_FILE = FOLDER / "canonical.npy"


@cache
def load_mean_face(path: Path = CANONICAL_FILE) -> Points:
    """Return a mean face that looks at us, as 468 × 3 points.

    Its unit is the distance of the outer corners of the eyes, its origin the middle between them.
    """
    points: Points = np.load(path, allow_pickle=False)
    points.flags.writeable = False
    return points


@cache
def build_triangles() -> NDArray[np.int32]:
    """Return the Delaunay triangles of the mean face seen from the front, as N × 3 landmarks."""
    flat = load_mean_face()[:, :2] * 1000
    low, high = flat.min(axis=0) - 1, flat.max(axis=0) + 1
    plane = cv2.Subdiv2D((*map(float, low), *map(float, high - low)))
    for x, y in flat:
        plane.insert((float(x), float(y)))
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 2)
    distances = np.linalg.norm(corners[:, :, None] - flat[None, None], axis=-1)
    # The plane's own three corners are far outside; triangles with them do not belong to the face.
    is_inside = distances.min(axis=-1).max(axis=-1) < 1.0
    return distances.argmin(axis=-1)[is_inside].astype(np.int32)
