"""Pictures warped around a line of a face: lips parted, lids lowered, a head moved.

Pixels are complex numbers, x + iy. Around a line they also have the coordinates ``u`` along the
line and ``v`` down from it, in pixels from its middle.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.film import Frame

Array = NDArray[np.float64]
Pixels = NDArray[np.complex128]

MIN_LENGTH = 5.0
"""Faces whose lines are shorter than this many pixels are not changed."""


def to_pixels(points: Points) -> Pixels:
    """Return landmarks as complex numbers, without their depth."""
    return points[:, 0].astype(float) + 1j * points[:, 1]


class Patch:
    """The pixels of a frame around the line between two points, with their ``u`` and ``v``.

    It extends beyond the farthest point of ``around`` by ``margin`` lengths of the line, within the
    frame.
    """

    def __init__(self, frame: Frame, ends: Pixels, surroundings: Pixels, margin: float) -> None:
        start, end = map(complex, ends)
        across = end - start or 1e-6
        self.length = abs(across)
        self._frame = frame
        self._middle = (start + end) / 2
        self._along = across / self.length
        reach = float(np.abs(surroundings - self._middle).max()) + margin * self.length
        x, y = self._middle.real, self._middle.imag
        height, width = frame.shape[:2]
        left, right = np.clip([x - reach, x + reach + 1], 0, width).astype(int)
        top, bottom = np.clip([y - reach, y + reach + 1], 0, height).astype(int)
        self._box = (slice(top, bottom), slice(left, right))
        self.pixels: Pixels = np.arange(left, right) + 1j * np.arange(top, bottom)[:, None]
        self.u, self.v = self.to_uv(self.pixels)

    @property
    def is_too_small(self) -> bool:
        """Return whether too little of the patch is visible to be warped."""
        return self.length < MIN_LENGTH or self.pixels.size == 0

    def to_uv(self, pixels: Pixels) -> tuple[Array, Array]:
        """Return ``u`` and ``v`` of pixels."""
        offset = (pixels - self._middle) / self._along
        return offset.real, offset.imag

    def to_pixels(self, u: Array, v: Array) -> Pixels:
        """Return the pixels at ``u`` and ``v``."""
        offset: Pixels = u + 1j * v
        return self._middle + self._along * offset

    def trace_line(self, line: Pixels) -> Array:
        """Return ``v`` of the line through some pixels, at each ``u``; level beyond its ends."""
        along, down = self.to_uv(line)
        order = np.argsort(along)
        return np.interp(self.u, along[order], down[order])

    def sample(self, source: Pixels) -> NDArray[np.float32]:
        """Return the picture of the patch, with each pixel taken from ``source`` in the frame."""
        x, y = source.real.astype(np.float32), source.imag.astype(np.float32)
        border = cv2.BORDER_REPLICATE
        picture = cv2.remap(self._frame, x, y, cv2.INTER_CUBIC, borderMode=border)
        return picture.astype(np.float32)

    def paste(self, picture: NDArray[np.floating]) -> Frame:
        """Return the frame with another picture of the patch."""
        frame = self._frame.copy()
        frame[self._box] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        return frame


def stretch(v: Array, starts: Sequence[Array | float], goals: Sequence[Array | float]) -> Array:
    """Return the source of each ``v`` when what is at ``starts`` moves to ``goals``.

    Between two of them the picture is stretched; above the first and below the last nothing moves.
    Both must increase; a value that does not is raised to the one above it, so that nothing folds.
    """
    source = v
    ordered = (np.maximum.accumulate(np.broadcast_arrays(v, *rows)[1:]) for rows in (starts, goals))
    for (start, goal), (end, end_goal) in pairwise(zip(*ordered, strict=True)):
        share = (v - goal) / np.maximum(end_goal - goal, 1e-3)
        source = np.where((v >= goal) & (v < end_goal), start + share * (end - start), source)
    return source


def compute_fade(distance: Array, start: float, end: float) -> Array:
    """Return 1 up to ``start`` and 0 from ``end`` on, with a smooth transition."""
    share = np.clip((end - distance) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)
