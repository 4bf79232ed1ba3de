"""Rotated squares cut out of frames, which are the input of the networks."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame

Points = NDArray[np.float32]
"""N × 2, or N × 3 with a depth in the same unit; pixels of the frame, x right and y down."""


@dataclass(frozen=True)
class Square:
    """A square of a frame, turned by ``angle`` radians clockwise; it may exceed the frame."""

    x: float
    """Centre of the square, with ``y``."""
    y: float
    side: float
    angle: float = 0.0

    def to_frame(self, side: int, *, flipped: bool = False) -> NDArray[np.float64]:
        """Return the 2 × 3 matrix from pixels of a cut-out of ``side`` to pixels of the frame."""
        scale = self.side / side
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        turn = np.array([[cos, -sin], [sin, cos]])
        centre = np.full(2, (side - 1) / 2)
        if flipped:
            turn = turn @ np.diag([-1.0, 1.0])
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ centre])

    def cut(self, frame: Frame, side: int, *, flipped: bool = False) -> Frame:
        """Return the square as a picture of ``side``; black outside the frame."""
        matrix = self.to_frame(side, flipped=flipped)
        is_smaller = self.side > 2 * side
        if is_smaller:
            # A pixel samples one of several pixels of the frame, so these are averaged before.
            frame, offset = self._blur_surroundings(frame, self.side / side)
            matrix[:, 2] -= offset
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(frame, matrix, (side, side), flags=flags), np.uint8)

    def _blur_surroundings(self, frame: Frame, ratio: float) -> tuple[Frame, NDArray[np.float64]]:
        reach = self.side * 0.75
        height, width = frame.shape[:2]
        left, right = (int(np.clip(self.x + offset, 0, width)) for offset in (-reach, reach))
        top, bottom = (int(np.clip(self.y + offset, 0, height)) for offset in (-reach, reach))
        part = frame[top:bottom, left:right]
        if part.size == 0:
            return frame, np.zeros(2)
        kernel = int(ratio) | 1
        return np.asarray(cv2.blur(part, (kernel, kernel)), np.uint8), np.array([left, top], float)


def transform_points(points: Points, matrix: NDArray[np.float64]) -> Points:
    """Transform points by a 2 × 3 matrix; a depth is scaled with them."""
    result = np.empty_like(points)
    result[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if points.shape[1] > 2:
        result[:, 2] = points[:, 2] * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return result


def measure_angle(start: Points, end: Points) -> float:
    """Return the direction from one point to another, in radians clockwise from rightwards."""
    return float(np.arctan2(end[1] - start[1], end[0] - start[0]))
