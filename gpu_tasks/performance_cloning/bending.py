"""A picture bent so that the landmarks of its face lie elsewhere, and its background does not."""

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import OVAL
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import fading

CELLS = 16
"""Of the grid that the bending is worked out on, across the face."""
REACH = 0.06
"""Of the face's width: so far a landmark's way is shared with what is around it."""
ENLARGED = 4
"""A cell is seen as so many pixels for telling how far it is from the face."""
INFLUENCE = 0.9
"""Of the face's width, outside the face: there everything stays where it is."""
Grid = NDArray[np.float32]


def bent(picture: Frame, points: Points, goals: Points) -> Frame:
    """The picture with what is at ``points`` brought to ``goals``."""
    points, goals = points[:, :2].astype(np.float32), goals[:, :2].astype(np.float32)
    face = float(np.ptp(points[:, 0])) or 1.0
    height, width = picture.shape[:2]
    reach = INFLUENCE * face + 1
    left, top = map(int, np.maximum(goals.min(axis=0) - reach, 0))
    right, bottom = map(int, np.minimum(goals.max(axis=0) + reach, (width, height)))
    if right <= left or bottom <= top:
        return picture
    step = max(2.0, face / CELLS)
    columns = np.arange(left, right + step, step, dtype=np.float32)
    rows = np.arange(top, bottom + step, step, dtype=np.float32)
    ways = _ways(columns, rows, points, goals, face)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    across, down = (x - left) / step, (y - top) / step
    fine = np.asarray(cv2.remap(ways, across, down, cv2.INTER_LINEAR), np.float32)
    x, y = x - fine[..., 0], y - fine[..., 1]
    part = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    result = picture.copy()
    result[top:bottom, left:right] = part
    return result


def _ways(columns: Grid, rows: Grid, points: Grid, goals: Grid, face: float) -> Grid:
    """The way that has been gone by what is at each place of the grid, rows × columns × 2."""
    places = np.stack(np.meshgrid(columns, rows), axis=-1)
    ways = np.zeros_like(places)
    distances = _outside(places, goals, face)
    near = distances < INFLUENCE * face
    unit = np.float32(np.sqrt(2) * REACH * face)
    here, there = (places[near] - goals.mean(axis=0)) / unit, (goals - goals.mean(axis=0)) / unit
    # The negative squares of the distances, but for what is the same for all landmarks.
    nearness = 2 * here @ there.T - (there**2).sum(axis=1)
    # Relative to the nearest: far from all of them, the nearest still counts.
    shares = np.exp(nearness - nearness.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    ways[near] = shares @ (goals - points)
    return ways * fading(distances, 0.0, INFLUENCE * face)[..., None]


def _outside(places: Grid, goals: Grid, face: float) -> Grid:
    """About how far each place of the grid is from the face; 0 inside it."""
    low, step = places[0, 0], max(2.0, face / CELLS)
    outline = np.rint((goals[list(OVAL)] - low) / step * ENLARGED).astype(np.int32)
    height, width = places.shape[:2]
    free = np.full((height * ENLARGED, width * ENLARGED), 255, np.uint8)
    cv2.fillPoly(free, [outline], 0)
    distances = cv2.distanceTransform(free, cv2.DIST_L2, 5)[::ENLARGED, ::ENLARGED]
    return np.asarray(distances * step / ENLARGED, np.float32)
