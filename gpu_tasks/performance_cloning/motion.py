"""How a face moves: the turning of its head, and its expression, told apart in three dimensions.

A mean face is laid on each face by what no expression moves: that is the head's pose, and what
is left is its expression. Both are told as changes from the usual ones of
the performance, so that they can be given to a face of another shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces import pose
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import FIRM, INNER_LIPS, OUTER_LIPS, canonical

Matrix = NDArray[np.float64]

MAX_TURN = np.deg2rad([16.0, 18.0, 20.0])
"""Nodding, turning and tilting, in radians: beyond, a flat picture shows that it is flat."""
MAX_SHIFT = 0.6
"""In distances of the outer corners of the eyes."""
MAX_GROWTH = 0.15
STRENGTH = 1.0
"""Of the expression."""
MAX_EXPRESSION = 0.12
"""In the same distances: how far an expression moves a landmark."""
REACH = 0.08
"""In distances of the eyes: a change is shared with landmarks so far."""
CORNERS = (61, 291)
JAW = (152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 172, 397, 17, 18, 200, 199, 175)


@dataclass(frozen=True)
class Pose:
    """A head: ``scale · rotation · mean face + shift`` are its landmarks."""

    rotation: Matrix
    scale: float
    shift: Matrix

    def of(self, points: Matrix) -> Matrix:
        """Where the mean face's points are."""
        placed: Matrix = self.scale * points @ self.rotation.T + self.shift
        return placed

    def undone(self, points: Matrix) -> Matrix:
        """The points as on the mean face."""
        plain: Matrix = (points - self.shift) @ self.rotation / self.scale
        return plain


def pose_of(points: Points) -> Pose:
    """The pose of a face by its landmarks."""
    head = pose.pose_of(points)
    firm = list(FIRM)
    ours, mean = points[firm].mean(axis=0), canonical()[firm].mean(axis=0)
    return Pose(head.rotation, head.scale, ours - head.scale * head.rotation @ mean)


@dataclass(frozen=True)
class Motion:
    """A moment of a performance, as a change from its usual pose and expression."""

    turn: Matrix
    """A rotation."""
    growth: float
    """1 for a head as near as usual."""
    shift: Matrix
    """In distances of the outer corners of the eyes."""
    expression: Matrix
    """468 × 3, in the same distances, on a face that looks at us."""

    def given_to(self, points: Points) -> Points:
        """The landmarks of another face that moves so."""
        head = pose_of(points)
        plain = head.undone(np.asarray(points, float)) + self.expression
        moved = Pose(
            rotation=self.turn @ head.rotation,
            scale=head.scale * self.growth,
            shift=head.shift + head.scale * self.shift,
        )
        return moved.of(plain).astype(np.float32)


def motions(faces: Sequence[Points]) -> list[Motion]:
    """The motion in each frame of a performance."""
    heads = [pose_of(face) for face in faces]
    plain = np.stack(
        [head.undone(np.asarray(face, float)) for head, face in zip(heads, faces, strict=True)]
    )
    changes = plain - np.median(plain, axis=0)
    usual = _mean_rotation([head.rotation for head in heads])
    scale = float(np.median([head.scale for head in heads]))
    place = np.median([head.shift for head in heads], axis=0)
    return [
        Motion(
            turn=_limited_turn(head.rotation @ usual.T),
            growth=1 + float(_limited(np.array(head.scale / scale - 1), MAX_GROWTH)),
            shift=_limited((head.shift - place) / scale, MAX_SHIFT) * np.array([1, 1, 0]),
            expression=_spread(change),
        )
        for head, change in zip(heads, changes, strict=True)
    ]


def _mean_rotation(rotations: list[Matrix]) -> Matrix:
    left, _, right = np.linalg.svd(np.sum(rotations, axis=0))
    mean: Matrix = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
    return mean


def _limited(value: Matrix, most: float | Matrix) -> Matrix:
    """As it is while it is small, and never more than ``most``."""
    limited: Matrix = most * np.tanh(value / most)
    return limited


def _limited_turn(rotation: Matrix) -> Matrix:
    vector = np.asarray(cv2.Rodrigues(rotation)[0], float).reshape(3)
    return np.asarray(cv2.Rodrigues(_limited(vector, MAX_TURN))[0], float)


@cache
def _shares() -> Matrix:
    """How much of each landmark's change goes to each: 468 × 468, and the mouth's opening is out.

    Lips that part and the jaw that drops are bent on their own, see `gpu_tasks.mediakit.mouth`.
    """
    places = np.asarray(canonical(), float)
    weights = np.ones(len(places))
    weights[[*INNER_LIPS, *OUTER_LIPS, *JAW]] = 0
    weights[list(CORNERS)] = 1
    squares = ((places[:, None, :2] - places[None, :, :2]) ** 2).sum(axis=-1)
    shares = np.exp(-squares / (2 * REACH**2)) * weights
    normed: Matrix = shares / shares.sum(axis=1, keepdims=True)
    return normed


def _spread(change: Matrix) -> Matrix:
    """The change, smoothed over the face, and filled in where it is not taken."""
    return _limited(STRENGTH * _shares() @ change, MAX_EXPRESSION)
