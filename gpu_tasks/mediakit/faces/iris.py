"""The lids and the iris of each eye: Iris (Ablavatski et al. 2020), on a square around the eye.

If the picture shows the iris more clearly than the network, the picture's edge is used.
"""

from dataclasses import dataclass, replace

import numpy as np

from gpu_tasks.mediakit.faces import networks
from gpu_tasks.mediakit.faces.crops import Points, Square, measure_angle, transform_points
from gpu_tasks.mediakit.faces.limbus import Disc, refine_disc
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, RIGHT_EYE
from gpu_tasks.mediakit.film import Frame

MARGIN = 2.3
"""The square's side, relative to the distance between the corners of the eye."""
OUTER, INNER = 0, 8
"""The corners of the eye, in its ring of mesh landmarks and in the network's contour."""
LOWER_LID = tuple(range(9))
"""Indices of the contour, from the outer corner to the inner."""
UPPER_LID = (OUTER, *range(9, 16), INNER)
"""From the outer corner to the inner, which it shares with the lower lid."""
LIDS = (*LOWER_LID, *reversed(UPPER_LID[1:-1]))
"""All around the opening of the eye."""


@dataclass(frozen=True)
class Eye:
    """One eye, in pixels of the frame.

    The network follows blinks, but its corners move with the iris. Those of the mesh do not.
    """

    contour: Points
    """71 × 2 points of the network: the lids (`LIDS`), then rings around them, and the brow."""
    iris: Points
    """5 × 2: the centre, and four points of the edge."""
    rim: Points
    """16 × 2 points of the mesh: the lids, from the outer corner along the lower lid."""
    contrast: float = 1.0
    """Contrast of the iris with the white around it: about 0.5 in open eyes, 0.3 in a blink."""

    @property
    def corners(self) -> Points:
        """Return the outer and the inner corner, 2 × 2."""
        return self.rim[[OUTER, INNER]]

    @property
    def lids(self) -> tuple[Points, Points]:
        """Return the edge of the opening according to the network, and according to the mesh."""
        return self.contour[list(LIDS)], self.rim

    @property
    def width(self) -> float:
        """Return the distance between the corners."""
        outer, inner = self.corners
        return float(np.linalg.norm(inner - outer))

    @property
    def radius(self) -> float:
        """Return the radius of the iris."""
        return float(np.linalg.norm(self.iris[1:] - self.iris[0], axis=1).mean())

    @property
    def openness(self) -> float:
        """Return height over width of the opening: about 0.4 open, under 0.1 closed."""
        upper, lower = self.contour[list(UPPER_LID)], self.contour[list(LOWER_LID)]
        heights = np.linalg.norm(upper - lower, axis=1)
        return float(heights.max() / max(self.width, 1e-6))


def detect_irises(frame: Frame, points: Points) -> tuple[Eye, Eye]:
    """Return the person's right eye and left eye, from the landmarks of the mesh."""
    right, left = points[list(RIGHT_EYE), :2], points[list(LEFT_EYE), :2]
    # The network is trained on left eyes, so the right eye is mirrored.
    right_eye = _measure_eye(frame, right, is_mirrored=True)
    return right_eye, _measure_eye(frame, left, is_mirrored=False)


def _measure_eye(frame: Frame, rim: Points, *, is_mirrored: bool) -> Eye:
    start, end = rim[[OUTER, INNER]] if is_mirrored else rim[[INNER, OUTER]]
    x, y = (start + end) / 2
    square = Square(
        x=float(x),
        y=float(y),
        side=max(1.0, float(np.linalg.norm(end - start))) * MARGIN,
        angle=measure_angle(start, end),
    )
    side = networks.IRIS.side
    picture = square.cut(frame, side, flipped=is_mirrored)
    matrix = square.to_frame(side, flipped=is_mirrored)
    contour, edge = (
        transform_points(points.reshape(-1, 3)[:, :2], matrix)
        for points in networks.run_network(networks.IRIS, picture)
    )
    return _refine_iris(frame, Eye(contour=contour, iris=edge, rim=rim))


def _refine_iris(frame: Frame, eye: Eye) -> Eye:
    disc = Disc(eye.iris[0], eye.radius)
    result = refine_disc(frame, eye.lids, eye.width, disc)
    scale = result.radius / max(disc.radius, 1e-6)
    edge = (eye.iris - disc.centre) * scale + result.centre
    return replace(eye, iris=np.asarray(edge, np.float32), contrast=result.contrast)
