"""A picture whose face is moved, turned and enlarged, and whose background is not."""

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Patch, Pixels, fading, pixels_of
from gpu_tasks.performance_cloning.performance import EYES

SIDES = [234, 454]
"""Of the face, before the ears."""
INFLUENCE = 0.9
"""Of the face's width, outside the face: there everything stays where it is."""
MAX_TURN, MAX_GROWTH, MAX_SHIFT = np.deg2rad(20.0), 0.15, 0.6
"""Of the head, in radians, of its size and in distances of the outer corners of the eyes: beyond, a
flat picture shows that it is flat.
"""


def fitted(before: Pixels, after: Pixels) -> tuple[complex, complex]:
    """The similarity ``turn * z + way`` that brings pixels z nearest to others."""
    spread = before - before.mean()
    turn = np.vdot(spread, after - after.mean()) / np.vdot(spread, spread)
    return complex(turn), complex(after.mean() - turn * before.mean())


def bent(picture: Frame, points: Points, turn: complex, shift: complex, middle: complex) -> Frame:
    """The picture with the head of these landmarks turned and enlarged by ``turn`` about
    ``middle``, and then shifted, within limits.
    """
    face = pixels_of(points)
    right, left = face[list(EYES)]
    growth = 1 + _limited(abs(turn) - 1, MAX_GROWTH)
    turn = growth * np.exp(1j * _limited(np.angle(turn), MAX_TURN))
    shift *= _limited(abs(shift), MAX_SHIFT * abs(left - right)) / max(abs(shift), 1e-6)
    goals = middle + turn * (face - middle) + shift
    patch = Patch(picture, goals[SIDES], goals, INFLUENCE)
    if patch.is_too_small:
        return picture
    down = patch.of(goals)[1]
    aside = np.maximum(np.abs(patch.u) - patch.length / 2, 0)
    beyond = np.maximum(np.abs(patch.v - (down.min() + down.max()) / 2) - np.ptp(down) / 2, 0)
    share = fading(np.hypot(aside, beyond), 0.0, INFLUENCE * patch.length)
    source = middle + (patch.pixels - shift - middle) / turn
    return patch.put(patch.take(patch.pixels + (source - patch.pixels) * share))


def _limited(value: float, most: float) -> float:
    """As it is while it is small, and never more than ``most``."""
    return float(most * np.tanh(value / most))
