"""Cut faces out as MuseTalk expects them, and blend their new lower halves back in."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import OVAL
from gpu_tasks.mediakit.film import Frame

NOSE_RIDGE = 5
"""The landmark in the middle of the cut-out.

MuseTalk's middle is point 29 of iBUG's 68, the third of four points from between the eyes to the
tip of the nose.
"""
CHIN_MARGIN = 0.04
"""The share of the box's height added below the chin: MuseTalk 1.5's ten pixels at usual sizes."""
FEATHER = 0.05
"""The share of the box's width over which new and old pixels blend."""
MIN_SIDE = 8
"""In pixels: a smaller face is left unchanged."""


@dataclass(frozen=True)
class Box:
    """The position of a face in a frame, in whole pixels; it may exceed the frame."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def from_points(cls, points: Points) -> "Box":
        """Return the box of a face: as far above the nose's ridge as the chin is below it."""
        (left, _), (right, lowest) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        top = 2 * points[NOSE_RIDGE, 1] - lowest
        bottom = lowest + CHIN_MARGIN * (lowest - top)
        return cls(*(round(float(side)) for side in (left, top, right, bottom)))

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.bottom - self.top

    def is_usable(self, frame: Frame) -> bool:
        """Return True if enough of it is in the frame."""
        height, width = frame.shape[:2]
        visible_width = min(self.right, width) - max(self.left, 0)
        visible_height = min(self.bottom, height) - max(self.top, 0)
        return min(visible_width, visible_height) >= MIN_SIDE

    def cut(self, frame: Frame, side: int) -> Frame:
        """Return the face as a square picture; outside the frame its edge is repeated."""
        height, width = frame.shape[:2]
        rows = np.clip(np.arange(self.top, self.bottom), 0, height - 1)
        columns = np.clip(np.arange(self.left, self.right), 0, width - 1)
        crop = frame[rows[:, None], columns]
        return _resize(crop, side, side)

    def paste(self, frame: Frame, picture: Frame, points: Points) -> Frame:
        """Return the frame with the lower half of the face replaced from a square picture of it."""
        picture = _resize(picture, self.width, self.height)
        mask = self._build_mask(points)[..., None]
        height, width = frame.shape[:2]
        left, top = max(0, self.left), max(0, self.top)
        right, bottom = min(width, self.right), min(height, self.bottom)
        inside = np.s_[top - self.top : bottom - self.top, left - self.left : right - self.left]
        result = frame.copy()
        old = result[top:bottom, left:right].astype(np.float32)
        new = old + (picture[inside].astype(np.float32) - old) * mask[inside]
        result[top:bottom, left:right] = np.rint(new).astype(np.uint8)
        return result

    def _build_mask(self, points: Points) -> NDArray[np.float32]:
        """Return a mask of the lower half: 1 within the jaw's line, 0 outside it, soft between."""
        outline = points[list(OVAL), :2] - np.array([self.left, self.top], np.float32)
        # The new chin may be lower than the old one.
        is_lower = outline[:, 1] > self.height / 2
        outline[is_lower, 1] += CHIN_MARGIN * self.height / 2
        mask = np.zeros((self.height, self.width), np.float32)
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1.0)
        mask[: self.height // 2] = 0
        feather = max(1, round(FEATHER * self.width))
        # There are no new pixels outside the box, so the mask fades to 0 at its edge.
        mask[:, :feather] = mask[:, -feather:] = mask[-feather:] = 0
        return np.asarray(
            cv2.blur(cv2.blur(mask, (feather, feather)), (feather, feather)), np.float32
        )


def _resize(picture: Frame, width: int, height: int) -> Frame:
    shrinks = width < picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(picture, (width, height), interpolation=interpolation), np.uint8)
