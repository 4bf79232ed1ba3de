"""Pictures bent around a line of a face: lips parted, lids lowered, a head moved.

Pixels are complex numbers, x + iy. Those around a line are also told by ``u`` along the line and
``v`` down from it, in pixels from its middle.
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
"""Pixels: faces whose lines are shorter are left alone."""


def pixels_of(points: Points) -> Pixels:
    """Landmarks as complex numbers, without their depth."""
    return points[:, 0].astype(float) + 1j * points[:, 1]


class Patch:
    """The pixels of a frame around the line between two points, and their ``u`` and ``v``.

    It reaches past the farthest of ``around`` by ``margin`` lengths of the line, as far as the
    frame goes.
    """

    def __init__(self, frame: Frame, ends: Pixels, around: Pixels, margin: float) -> None:
        start, end = map(complex, ends)
        across = end - start or 1e-6
        self.length = abs(across)
        self._frame = frame
        self._middle = (start + end) / 2
        self._along = across / self.length
        reach = float(np.abs(around - self._middle).max()) + margin * self.length
        x, y = self._middle.real, self._middle.imag
        height, width = frame.shape[:2]
        left, right = np.clip([x - reach, x + reach + 1], 0, width).astype(int)
        top, bottom = np.clip([y - reach, y + reach + 1], 0, height).astype(int)
        self._box = (slice(top, bottom), slice(left, right))
        self.pixels: Pixels = np.arange(left, right) + 1j * np.arange(top, bottom)[:, None]
        self.u, self.v = self.of(self.pixels)

    @property
    def is_too_small(self) -> bool:
        """Nothing of it is seen, or too little to be bent."""
        return self.length < MIN_LENGTH or self.pixels.size == 0

    def of(self, pixels: Pixels) -> tuple[Array, Array]:
        """``u`` and ``v`` of pixels."""
        place = (pixels - self._middle) / self._along
        return place.real, place.imag

    def to(self, u: Array, v: Array) -> Pixels:
        """The pixels at ``u`` and ``v``."""
        place: Pixels = u + 1j * v
        return self._middle + self._along * place

    def edge(self, line: Pixels) -> Array:
        """``v`` of the line through some pixels, at each ``u``; level beyond its ends."""
        along, down = self.of(line)
        order = np.argsort(along)
        return np.interp(self.u, along[order], down[order])

    def take(self, source: Pixels) -> NDArray[np.float32]:
        """The picture of the patch, each pixel taken from one of the frame."""
        x, y = source.real.astype(np.float32), source.imag.astype(np.float32)
        border = cv2.BORDER_REPLICATE
        picture = cv2.remap(self._frame, x, y, cv2.INTER_CUBIC, borderMode=border)
        return picture.astype(np.float32)

    def put(self, picture: NDArray[np.floating]) -> Frame:
        """The frame with another picture of the patch."""
        frame = self._frame.copy()
        frame[self._box] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        return frame


def stretched(v: Array, starts: Sequence[Array | float], goals: Sequence[Array | float]) -> Array:
    """Where each ``v`` is taken from when what is at ``starts`` shall be at ``goals``.

    What is between two of them is stretched; above the first and below the last nothing moves.
    Both go down; one that does not is brought to the one above it, so that nothing folds.
    """
    taken = v
    ordered = (np.maximum.accumulate(np.broadcast_arrays(v, *one)[1:]) for one in (starts, goals))
    for (start, goal), (end, end_goal) in pairwise(zip(*ordered, strict=True)):
        share = (v - goal) / np.maximum(end_goal - goal, 1e-3)
        taken = np.where((v >= goal) & (v < end_goal), start + share * (end - start), taken)
    return taken


def fading(distance: Array, start: float, end: float) -> Array:
    """1 up to ``start``, 0 from ``end`` on, smooth between them."""
    share = np.clip((end - distance) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)
