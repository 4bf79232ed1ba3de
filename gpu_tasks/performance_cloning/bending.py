"""A picture whose face is moved, turned and enlarged, and whose background is not."""

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Patch, fading, pixels_of
from gpu_tasks.performance_cloning.performance import EYES

SIDES = [234, 454]
"""Of the face, before the ears."""
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
    before, after = pixels_of(points), pixels_of(goals)
    spread = before - before.mean()
    turn = np.vdot(spread, after - after.mean()) / np.vdot(spread, spread)
    return complex(turn), complex(after.mean() - turn * before.mean())


def bent(picture: Frame, points: Points, goals: Points) -> Frame:
    """The picture with what is at ``points`` brought to ``goals``, as far as a similarity does."""
    patch = Patch(picture, goals[SIDES], goals, INFLUENCE)
    if patch.is_too_small:
        return picture
    turn, way = fitted(points, goals)
    down = patch.of(pixels_of(goals))[1]
    aside = np.maximum(np.abs(patch.u) - patch.length / 2, 0)
    beyond = np.maximum(np.abs(patch.v - (down.min() + down.max()) / 2) - np.ptp(down) / 2, 0)
    share = fading(np.hypot(aside, beyond), 0.0, INFLUENCE * patch.length)
    source = (patch.pixels - way) / turn
    return patch.put(patch.take(patch.pixels + (source - patch.pixels) * share))


def moved(points: Points, turn: complex, way: complex, middle: complex) -> Points:
    """The landmarks of a head that is turned and enlarged about ``middle`` by a similarity's
    ``turn``, and then moved, within limits.
    """
    growth = 1 + _limited(abs(turn) - 1, MAX_GROWTH)
    turn = growth * np.exp(1j * _limited(np.angle(turn), MAX_TURN))
    right, left = pixels_of(points[list(EYES)])
    way *= _limited(abs(way), MAX_SHIFT * abs(left - right)) / max(abs(way), 1e-6)
    places = middle + turn * (pixels_of(points) - middle) + way
    return np.stack([places.real, places.imag], axis=1).astype(np.float32)


def _limited(value: float, most: float) -> float:
    """As it is while it is small, and never more than ``most``."""
    return float(most * np.tanh(value / most))
