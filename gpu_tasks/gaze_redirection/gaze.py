"""Compute where eyes look, and how far their irises must move to look elsewhere.

An eye looks at the camera when its iris is, in the picture, over the centre of the eyeball. That
centre is a little behind the middle between the corners of the eye, so it moves with the head.
Shifts are in widths of the eye: the average of both eyes is less noisy than each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import Eye
from gpu_tasks.mediakit.faces.pose import Pose, fit_pose

DEPTH, RISE = 0.2, 0.055
"""The centre of an eyeball relative to the middle between the corners, in widths of the eye:
backward and upward. Measured on a portrait that looks at the camera.
"""
GAIN = 1.15
"""Irises are detected too near the middle of the eye, by about a seventh of their offset."""
MAX_SHIFT = 0.3
"""In widths of the eye: no eye is moved further."""
OPEN, CLOSED = 0.22, 0.12
"""Openness from which eyes are fully redirected, and up to which they count as blinking."""
OPEN_EYE_CONTRAST, CLOSED_EYE_CONTRAST = 0.42, 0.32
"""Contrast of the irises: it shows a blink when the network still reports open lids."""
FACING_DEGREES, AWAY_DEGREES = 20.0, 35.0
"""Turns of the head up to which eyes are redirected, and from which they are not."""
MIN_EYE_PIXELS = 8.0
"""Narrower eyes are too small to be changed."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Gaze:
    """The movement that redirects the irises of a face."""

    shift: Vector
    """To the target, in widths of the eye; right and down."""
    strength: float
    """The share of the shift to apply: 0 in blinks and if the head is turned away, up to 1."""


def compute_gaze(points: Points, eyes: Sequence[Eye]) -> Gaze:
    """Return the gaze of a face with these landmarks and these right and left eyes."""
    pose = fit_pose(points)
    shift = GAIN * np.mean([_compute_shift_to_camera(eye, pose) for eye in eyes], axis=0)
    length = float(np.linalg.norm(shift))
    if length > MAX_SHIFT:
        shift *= MAX_SHIFT / length
    return Gaze(shift=shift, strength=_compute_redirection_strength(pose, eyes))


def _compute_shift_to_camera(eye: Eye, pose: Pose) -> Vector:
    """Return the shift from the iris to its position in an eye that looks at the camera."""
    left, down, back = pose.rotation[:2].T
    # The true width: the projected one shrinks as the head turns.
    width = eye.width / max(0.2, float(np.linalg.norm(left)))
    centre = DEPTH * back - RISE * down
    target = eye.corners.mean(axis=0) + centre * width
    return np.asarray((target - eye.iris[0]) / eye.width, np.float64)


def _compute_redirection_strength(pose: Pose, eyes: Sequence[Eye]) -> float:
    if min(eye.width for eye in eyes) < MIN_EYE_PIXELS:
        return 0.0
    # A blink closes both eyes; a wink is left unchanged too.
    openness = _compute_smooth_ramp(min(eye.openness for eye in eyes), CLOSED, OPEN)
    visibility = _compute_smooth_ramp(
        float(np.mean([eye.contrast for eye in eyes])), CLOSED_EYE_CONTRAST, OPEN_EYE_CONTRAST
    )
    return (
        openness
        * visibility
        * _compute_smooth_ramp(pose.angle_degrees, AWAY_DEGREES, FACING_DEGREES)
    )


def _compute_smooth_ramp(value: float, none: float, full: float) -> float:
    """Return 0 at ``none``, 1 at ``full``, smooth between and level beyond."""
    share = float(np.clip((value - none) / (full - none), 0, 1))
    return share * share * (3 - 2 * share)
