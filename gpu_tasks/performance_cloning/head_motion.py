"""Move, turn and enlarge the face of a picture, but not its background."""

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Patch, Pixels, compute_fade, to_pixels
from gpu_tasks.performance_cloning.performance import EYES

SIDES = [234, 454]
"""Landmarks at the sides of the face, before the ears."""
INFLUENCE = 0.9
"""In widths of the face: pixels at this distance from the face stay in place."""
MAX_TURN, MAX_GROWTH, MAX_SHIFT = np.deg2rad(20.0), 0.15, 0.6
"""The limits for the head: in radians, of its size, and in distances between the outer corners of
the eyes. Beyond them, the picture looks flat.
"""


def fit_similarity(source: Pixels, target: Pixels) -> tuple[complex, complex]:
    """Return the similarity ``turn * z + way`` that brings pixels z nearest to others."""
    offsets = source - source.mean()
    turn = np.vdot(offsets, target - target.mean()) / np.vdot(offsets, offsets)
    return complex(turn), complex(target.mean() - turn * source.mean())


def bend_head(
    picture: Frame, points: Points, turn: complex, shift: complex, middle: complex
) -> Frame:
    """Return the picture with its head turned, enlarged and shifted.

    ``turn`` turns and enlarges about ``middle``. Turn, growth and shift are limited.
    """
    face = to_pixels(points)
    right, left = face[list(EYES)]
    growth = 1 + _limit_softly(abs(turn) - 1, MAX_GROWTH)
    turn = growth * np.exp(1j * _limit_softly(np.angle(turn), MAX_TURN))
    shift *= _limit_softly(abs(shift), MAX_SHIFT * abs(left - right)) / max(abs(shift), 1e-6)
    goals = middle + turn * (face - middle) + shift
    patch = Patch(picture, goals[SIDES], goals, INFLUENCE)
    if patch.is_too_small:
        return picture
    rows = patch.to_uv(goals)[1]
    side_distances = np.maximum(np.abs(patch.u) - patch.length / 2, 0)
    vertical_distances = np.maximum(
        np.abs(patch.v - (rows.min() + rows.max()) / 2) - np.ptp(rows) / 2, 0
    )
    share = compute_fade(
        np.hypot(side_distances, vertical_distances), 0.0, INFLUENCE * patch.length
    )
    source = middle + (patch.pixels - shift - middle) / turn
    return patch.paste(patch.sample(patch.pixels + (source - patch.pixels) * share))


def _limit_softly(value: float, limit: float) -> float:
    """Return nearly the value while it is small, and never more than the limit."""
    return float(limit * np.tanh(value / limit))
