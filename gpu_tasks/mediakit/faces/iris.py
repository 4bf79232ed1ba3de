"""The lids and the iris of each eye: Iris (Ablavatski et al. 2020), on a square around the eye.

Where the picture shows the iris better than the network tells it, it is taken from there.
"""

from dataclasses import dataclass, replace

import numpy as np

from gpu_tasks.mediakit.faces import networks
from gpu_tasks.mediakit.faces.crops import Points, Square, angle_of, moved
from gpu_tasks.mediakit.faces.limbus import Disc, refined
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, RIGHT_EYE
from gpu_tasks.mediakit.film import Frame

MARGIN = 2.3
"""The square's side, of the distance between the corners of the eye."""
OUTER, INNER = 0, 8
"""The corners of the eye, in its ring of mesh landmarks and in the network's contour."""
LOWER_LID = tuple(range(9))
"""Of the contour: from the outer corner to the inner."""
UPPER_LID = (OUTER, *range(9, 16), INNER)
"""From the outer corner to the inner, which it shares with the lower lid."""
LIDS = (*LOWER_LID, *reversed(UPPER_LID[1:-1]))
"""All around the opening of the eye."""


@dataclass(frozen=True)
class Eye:
    """One eye, in pixels of the frame.

    The network follows blinks, but its corners follow the iris; those of the mesh stay.
    """

    contour: Points
    """71 × 2, of the network: the lids (`LIDS`), then rings around them, and the brow."""
    iris: Points
    """5 × 2: its centre and four points of its edge."""
    rim: Points
    """16 × 2, of the mesh: the lids, from the outer corner by the lower one."""
    contrast: float = 1.0
    """Of the iris against the white around it: about 0.5 where it is seen, 0.3 in a blink."""

    @property
    def corners(self) -> Points:
        """2 × 2: outer and inner corner."""
        return self.rim[[OUTER, INNER]]

    @property
    def lids(self) -> tuple[Points, Points]:
        """Around the opening, as the network and as the mesh have it."""
        return self.contour[list(LIDS)], self.rim

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
        """The height of the opening over its width: about 0.4 open, under 0.1 closed."""
        upper, lower = self.contour[list(UPPER_LID)], self.contour[list(LOWER_LID)]
        heights = np.linalg.norm(upper - lower, axis=1)
        return float(heights.max() / max(self.width, 1e-6))


def iris(frame: Frame, points: Points) -> tuple[Eye, Eye]:
    """The person's right eye and left eye, from the landmarks of the mesh."""
    right, left = points[list(RIGHT_EYE), :2], points[list(LEFT_EYE), :2]
    # The network knows left eyes: a right one is shown to it in a mirror.
    return _eye(frame, right, mirrored=True), _eye(frame, left, mirrored=False)


def _eye(frame: Frame, rim: Points, *, mirrored: bool) -> Eye:
    start, end = rim[[OUTER, INNER]] if mirrored else rim[[INNER, OUTER]]
    x, y = (start + end) / 2
    square = Square(
        x=float(x),
        y=float(y),
        side=max(1.0, float(np.linalg.norm(end - start))) * MARGIN,
        angle=angle_of(start, end),
    )
    side = networks.IRIS.side
    picture = square.cut(frame, side, flipped=mirrored)
    matrix = square.to_frame(side, flipped=mirrored)
    contour, edge = (
        moved(one.reshape(-1, 3)[:, :2], matrix) for one in networks.outputs(networks.IRIS, picture)
    )
    return _refined(frame, Eye(contour=contour, iris=edge, rim=rim))


def _refined(frame: Frame, eye: Eye) -> Eye:
    disc = Disc(eye.iris[0], eye.radius)
    found = refined(frame, eye.lids, eye.width, disc)
    edge = (eye.iris - disc.centre) * (found.radius / max(disc.radius, 1e-6)) + found.centre
    return replace(eye, iris=np.asarray(edge, np.float32), contrast=found.contrast)
