"""A picture whose face is moved, turned and enlarged, and whose background is not."""

import cv2
import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import OVAL
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import fading
from gpu_tasks.performance_cloning.performance import EYES

INFLUENCE = 0.9
"""Of the face's width, outside the face: there everything stays where it is."""
MAX_TURN, MAX_GROWTH, MAX_SHIFT = np.deg2rad(20.0), 0.15, 0.6
"""Of the head, in radians, of its size and in distances of the outer corners of the eyes: beyond, a
flat picture shows that it is flat.
"""


def fitted(points: Points, goals: Points) -> tuple[complex, complex]:
    """The similarity that lays points over others best: ``turn`` and ``way`` of
    ``turn * z + way``, where z is x + iy.
    """
    before, after = (one[:, 0].astype(float) + 1j * one[:, 1] for one in (points, goals))
    spread = before - before.mean()
    turn = np.vdot(spread, after - after.mean()) / np.vdot(spread, spread)
    return complex(turn), complex(after.mean() - turn * before.mean())


def bent(picture: Frame, points: Points, goals: Points) -> Frame:
    """The picture with what is at ``points`` brought to ``goals``, as far as a similarity does."""
    turn, way = fitted(points, goals)
    face = float(np.ptp(goals[:, 0]))
    height, width = picture.shape[:2]
    reach = INFLUENCE * face + 1
    left, top = map(int, np.maximum(goals[:, :2].min(axis=0) - reach, 0))
    right, bottom = map(int, np.minimum(goals[:, :2].max(axis=0) + reach, (width, height)))
    if right <= left or bottom <= top:
        return picture
    free = np.full((bottom - top, right - left), 255, np.uint8)
    outline = np.rint(goals[list(OVAL), :2] - (left, top)).astype(np.int32)
    cv2.fillPoly(free, [outline], 0)
    distance = np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, 5), np.float32)
    share = fading(distance, 0.0, INFLUENCE * face)
    y, x = np.mgrid[top:bottom, left:right]
    seen = x + 1j * y
    source = seen + ((seen - way) / turn - seen) * share
    x, y = source.real.astype(np.float32), source.imag.astype(np.float32)
    result = picture.copy()
    result[top:bottom, left:right] = cv2.remap(
        picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return result


def moved(points: Points, turn: complex, way: complex, middle: complex) -> Points:
    """The landmarks of a head that is turned and enlarged about ``middle`` by a similarity's
    ``turn``, and then moved, within limits.
    """
    growth = 1 + _limited(abs(turn) - 1, MAX_GROWTH)
    turn = growth * np.exp(1j * _limited(np.angle(turn), MAX_TURN))
    most = MAX_SHIFT * float(np.linalg.norm(points[EYES[0], :2] - points[EYES[1], :2]))
    way *= _limited(abs(way), most) / max(abs(way), 1e-6)
    places = middle + turn * (points[:, 0] + 1j * points[:, 1] - middle) + way
    return np.stack([places.real, places.imag], axis=1).astype(np.float32)


def _limited(value: float, most: float) -> float:
    """As it is while it is small, and never more than ``most``."""
    return float(most * np.tanh(value / most))
