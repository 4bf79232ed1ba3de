"""Turned squares cut out of frames, as the networks want to see a face or an eye."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame

Points = NDArray[np.float32]
"""N × 2, or N × 3 with a depth in the same unit; pixels of the frame, x right and y down."""


@dataclass(frozen=True)
class Square:
    """A square of a frame, turned by ``angle`` radians clockwise, that may hang over its edge."""

    x: float
    """Its centre, as is ``y``."""
    y: float
    side: float
    angle: float = 0.0

    def to_frame(self, side: int, *, flipped: bool = False) -> NDArray[np.float64]:
        """The 2 × 3 matrix from pixels of a cut-out of ``side`` to pixels of the frame."""
        scale = self.side / side
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        turn = np.array([[cos, -sin], [sin, cos]])
        centre = np.full(2, (side - 1) / 2)
        if flipped:
            turn = turn @ np.diag([-1.0, 1.0])
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ centre])

    def cut(self, frame: Frame, side: int, *, flipped: bool = False) -> Frame:
        """The square as a picture of ``side``; black where the frame has nothing."""
        matrix = self.to_frame(side, flipped=flipped)
        shrinks = self.side > 2 * side
        if shrinks:
            # Each pixel takes one of several of the frame: blurred, it speaks for all of them.
            frame, offset = self._blurred(frame, self.side / side)
            matrix[:, 2] -= offset
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(frame, matrix, (side, side), flags=flags), np.uint8)

    def _blurred(self, frame: Frame, ratio: float) -> tuple[Frame, NDArray[np.float64]]:
        reach = self.side * 0.75
        height, width = frame.shape[:2]
        left, right = (int(np.clip(self.x + one, 0, width)) for one in (-reach, reach))
        top, bottom = (int(np.clip(self.y + one, 0, height)) for one in (-reach, reach))
        part = frame[top:bottom, left:right]
        if part.size == 0:
            return frame, np.zeros(2)
        kernel = int(ratio) | 1
        return np.asarray(cv2.blur(part, (kernel, kernel)), np.uint8), np.array([left, top], float)


def moved(points: Points, matrix: NDArray[np.float64]) -> Points:
    """The points by a 2 × 3 matrix; a depth is scaled with them."""
    out = np.empty_like(points)
    out[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if points.shape[1] > 2:
        out[:, 2] = points[:, 2] * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return out


def angle_of(start: Points, end: Points) -> float:
    """The direction from one point to another, in radians clockwise from rightwards."""
    return float(np.arctan2(end[1] - start[1], end[0] - start[0]))
