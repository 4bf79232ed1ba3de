"""Faces cut out as MuseTalk sees them, and their new lower halves put back without a seam."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import OVAL
from gpu_tasks.mediakit.film import Frame

NOSE_RIDGE = 5
"""What lies in the middle of the cut-out: where point 29 of the 68 of iBUG is, MuseTalk's middle,
the third of four points from between the eyes to the tip."""
CHIN_MARGIN = 0.04
"""Of the box's height, added below the chin: MuseTalk 1.5's ten pixels at its usual sizes."""
FEATHER = 0.05
"""Of the box's width: over so much the new goes over into the old."""
MIN_SIDE = 8
"""Pixels: a smaller face is left as it is."""


@dataclass(frozen=True)
class Box:
    """Where a face lies in a frame, in whole pixels; it may hang over the frame's edge."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, points: Points) -> "Box":
        """The box of a face by its landmarks: as far above the nose's ridge as the chin below."""
        (left, _), (right, lowest) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        top = 2 * points[NOSE_RIDGE, 1] - lowest
        bottom = lowest + CHIN_MARGIN * (lowest - top)
        return cls(*(round(float(side)) for side in (left, top, right, bottom)))

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    def is_usable(self, frame: Frame) -> bool:
        """It is large enough, and some of it is in the frame."""
        height, width = frame.shape[:2]
        seen_across = min(self.right, width) - max(self.left, 0)
        seen_down = min(self.bottom, height) - max(self.top, 0)
        return min(seen_across, seen_down) >= MIN_SIDE

    def cut(self, frame: Frame, side: int) -> Frame:
        """The face as a square picture; beyond the frame its edge is repeated."""
        height, width = frame.shape[:2]
        rows = np.clip(np.arange(self.top, self.bottom), 0, height - 1)
        columns = np.clip(np.arange(self.left, self.right), 0, width - 1)
        part = frame[rows[:, None], columns]
        return _resized(part, side, side)

    def paste(self, frame: Frame, picture: Frame, points: Points) -> Frame:
        """The frame with the lower half of the face taken from a square picture of it."""
        picture = _resized(picture, self.width, self.height)
        mask = self._mask(points)[..., None]
        height, width = frame.shape[:2]
        left, top = max(0, self.left), max(0, self.top)
        right, bottom = min(width, self.right), min(height, self.bottom)
        inside = np.s_[top - self.top : bottom - self.top, left - self.left : right - self.left]
        result = frame.copy()
        old = result[top:bottom, left:right].astype(np.float32)
        new = old + (picture[inside].astype(np.float32) - old) * mask[inside]
        result[top:bottom, left:right] = np.rint(new).astype(np.uint8)
        return result

    def _mask(self, points: Points) -> NDArray[np.float32]:
        """1 within the jaw's line below the middle of the box, 0 outside it, soft between."""
        outline = points[list(OVAL), :2] - np.array([self.left, self.top], np.float32)
        # The new chin may be lower than the old one.
        below = outline[:, 1] > self.height / 2
        outline[below, 1] += CHIN_MARGIN * self.height / 2
        mask = np.zeros((self.height, self.width), np.float32)
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1.0)
        mask[: self.height // 2] = 0
        reach = max(1, round(FEATHER * self.width))
        # Nothing is known outside the box: the mask has faded where that begins.
        mask[:, :reach] = mask[:, -reach:] = mask[-reach:] = 0
        return np.asarray(cv2.blur(cv2.blur(mask, (reach, reach)), (reach, reach)), np.float32)


def _resized(picture: Frame, width: int, height: int) -> Frame:
    shrinks = width < picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)
