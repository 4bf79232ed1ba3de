"""Parts of a picture bent along lines of a face: lips parted, lids lowered.

A part is seen in coordinates of its own, ``u`` along a line of the face and ``v`` down from it.
Each column of ``u`` is stretched between knots that stay in order, so nothing folds or tears.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame

Array = NDArray[np.float32]

STILL = 0.01
"""Pixels: who moves less stays where it is."""


@dataclass(frozen=True)
class Axes:
    """The coordinates: pixels, from the middle of the line between two points."""

    x: float
    y: float
    cos: float
    sin: float

    @classmethod
    def along(cls, start: Array, end: Array) -> "Axes":
        """With ``u`` from ``start`` towards ``end``."""
        across = end[:2] - start[:2]
        length = max(float(np.hypot(*across)), 1e-6)
        x, y = (start[:2] + end[:2]) / 2
        return cls(float(x), float(y), float(across[0]) / length, float(across[1]) / length)

    def of(self, x: Array, y: Array) -> tuple[Array, Array]:
        """``u`` and ``v`` of pixels."""
        right, down = x - self.x, y - self.y
        return right * self.cos + down * self.sin, down * self.cos - right * self.sin

    def to(self, u: Array, v: Array) -> tuple[Array, Array]:
        """The pixels of ``u`` and ``v``."""
        return self.x + u * self.cos - v * self.sin, self.y + u * self.sin + v * self.cos

    def line(self, points: Array) -> tuple[Array, Array]:
        """``u`` and ``v`` of N × 2 points, sorted by ``u``."""
        u, v = self.of(points[:, 0], points[:, 1])
        order = np.argsort(u)
        return u[order], v[order]


class Part:
    """The pixels of a frame within a range of ``u`` and of ``v``, with their coordinates."""

    def __init__(
        self,
        frame: Frame,
        axes: Axes,
        u_range: tuple[float, float],
        v_range: tuple[float, float],
    ) -> None:
        self._frame = frame
        self._axes = axes
        corners = np.array([(u, v) for u in u_range for v in v_range], np.float32)
        x, y = axes.to(corners[:, 0], corners[:, 1])
        height, width = frame.shape[:2]
        left, right = np.clip([x.min(), x.max() + 2], 0, width).astype(int)
        top, bottom = np.clip([y.min(), y.max() + 2], 0, height).astype(int)
        self.box = (slice(top, bottom), slice(left, right))
        columns = np.arange(left, right, dtype=np.float32)
        rows = np.arange(top, bottom, dtype=np.float32)
        self.u, self.v = axes.of(columns[None, :], rows[:, None])

    @property
    def is_empty(self) -> bool:
        """It is outside the frame."""
        return self.u.size == 0

    def taken_from(self, u: Array, v: Array) -> NDArray[np.float32]:
        """The part, each pixel taken from these coordinates; what stays is not touched."""
        x, y = self._axes.to(u, v)
        picture = cv2.remap(
            self._frame,
            x.astype(np.float32),
            y.astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        stays = np.maximum(np.abs(u - self.u), np.abs(v - self.v)) < STILL
        picture[stays] = self._frame[self.box][stays]
        return picture.astype(np.float32)

    def put(self, picture: NDArray[np.float32]) -> Frame:
        """The frame with the part replaced."""
        frame = self._frame.copy()
        frame[self.box] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        return frame


def stretched(v: Array, knots: list[tuple[Array, Array]]) -> Array:
    """Where ``v`` is taken from: each knot (from, to) is where it was, and what is between them is
    stretched; before the first and after the last, ``v`` is taken from itself.

    Knots must be in order, and may coincide.
    """
    taken = v.copy()
    for (start, start_to), (end, end_to) in pairwise(knots):
        length = np.maximum(end_to - start_to, 1e-3)
        share = (v - start_to) / length
        inside = (v >= start_to) & (v < end_to)
        taken = np.where(inside, start + share * (end - start), taken)
    return taken.astype(np.float32)


def fading(distance: Array, start: float, end: float) -> Array:
    """1 up to ``start``, 0 from ``end`` on, smooth between them."""
    share = np.clip((end - distance) / max(end - start, 1e-6), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)
