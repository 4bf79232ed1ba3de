"""The lids and the iris of each eye: Iris (Ablavatski et al. 2020), on a square around the eye."""

from dataclasses import dataclass

import numpy as np

from gpu_tasks.faces import networks
from gpu_tasks.faces.crops import Points, Square, angle_of, moved
from gpu_tasks.film import Frame

MARGIN = 2.3
"""The square's side, of the distance between the corners of the eye."""
CORNERS = {"right": (33, 133), "left": (362, 263)}
"""The corners of the person's eyes among the landmarks of the mesh, from left to right."""
LOWER_LID = tuple(range(9))
"""Among the points of the contour: from the outer corner to the inner."""
UPPER_LID = (0, *range(9, 16), 8)
"""From the outer corner to the inner, both of which it shares with the lower lid."""
LIDS = (*LOWER_LID, *reversed(UPPER_LID[1:-1]))
"""All around the opening of the eye."""


@dataclass(frozen=True)
class Eye:
    """One eye, in pixels of the frame."""

    contour: Points
    """71 × 2: the lids (`LIDS`), then rings around them, and the brow."""
    iris: Points
    """5 × 2: its centre and four points of its edge."""

    @property
    def corners(self) -> Points:
        """2 × 2: outer and inner corner."""
        return self.contour[[LOWER_LID[0], LOWER_LID[-1]]]

    @property
    def width(self) -> float:
        """From corner to corner."""
        outer, inner = self.corners
        return float(np.linalg.norm(inner - outer))

    @property
    def radius(self) -> float:
        """Of the iris."""
        return float(np.linalg.norm(self.iris[1:] - self.iris[0], axis=1).mean())

    @property
    def openness(self) -> float:
        """The height of the opening over its width: about 0.3 open, under 0.1 closed."""
        upper, lower = self.contour[list(UPPER_LID)], self.contour[list(LOWER_LID)]
        heights = np.linalg.norm(upper - lower, axis=1)
        return float(heights.max() / max(self.width, 1e-6))


def iris(frame: Frame, points: Points) -> tuple[Eye, Eye]:
    """The person's right eye and left eye, from the landmarks of the mesh."""
    return _eye(frame, points, "right"), _eye(frame, points, "left")


def _eye(frame: Frame, points: Points, which: str) -> Eye:
    start, end = points[list(CORNERS[which]), :2]
    x, y = (start + end) / 2
    square = Square(
        x=float(x),
        y=float(y),
        side=max(1.0, float(np.linalg.norm(end - start))) * MARGIN,
        angle=angle_of(start, end),
    )
    side = networks.IRIS.side
    # The network knows left eyes: a right one is shown to it in a mirror.
    flipped = which == "right"
    picture = square.cut(frame, side, flipped=flipped)
    contour, edge = networks.outputs(networks.IRIS, picture)
    matrix = square.to_frame(side, flipped=flipped)
    return Eye(
        contour=moved(contour.reshape(-1, 3)[:, :2], matrix),
        iris=moved(edge.reshape(-1, 3)[:, :2], matrix),
    )
