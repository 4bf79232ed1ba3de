"""Pictures of a known face at known places: the portrait, moved, turned, enlarged, repeated."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame

PORTRAIT = Path(__file__).parents[3] / "fixtures" / "portrait.png"
RIGHT_PUPIL, LEFT_PUPIL = (83.5, 93.5), (126.5, 95.5)
"""Where the person's pupils are in the portrait: seen by eye."""
MIDDLE = (105.0, 110.0)
"""About the middle of the face."""
FACE_SIDE = 95.0
"""From forehead to chin, in pixels of the portrait."""


@dataclass(frozen=True)
class Place:
    """Where a frame shows the portrait's face."""

    x: float
    """The middle of the face, as is ``y``."""
    y: float
    side: float
    """Of the face, in pixels of the frame."""
    degrees: float = 0.0
    """Turned clockwise."""
    flattened: float = 1.0
    """Its width shrinks by this, as in a head that turns away."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """2 × 3, from pixels of the portrait to pixels of the frame."""
        scale = self.side / FACE_SIDE
        angle = np.deg2rad(self.degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn @ np.diag([scale * self.flattened, scale])
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ np.array(MIDDLE)])

    def of(self, points: object) -> NDArray[np.float64]:
        """Where the frame shows points (N × 2) of the portrait."""
        moved: NDArray[np.float64] = (
            np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]
        )
        return moved


@cache
def portrait() -> Frame:
    """Return the portrait, 200 × 200."""
    picture = cv2.imread(str(PORTRAIT))
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def scene(
    *places: Place, width: int = 480, height: int = 360, picture: Frame | None = None
) -> Frame:
    """Return a frame with the face at each of the places, on a plain wall."""
    frame = np.full((height, width, 3), (150, 145, 140), np.uint8)
    source = portrait() if picture is None else picture
    for position in places:
        size, flags = (width, height), cv2.INTER_CUBIC
        visible = cv2.warpAffine(source, position.matrix, size, flags=flags)
        whole = np.full((*source.shape[:2], 1), 255, np.uint8)
        covered = cv2.warpAffine(whole, position.matrix, size, flags=flags)[..., None] / 255.0
        frame = (visible * covered + frame * (1 - covered)).round().astype(np.uint8)
    return frame
