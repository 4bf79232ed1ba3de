"""The landmarks of a face: Face Mesh (Kartynnik et al. 2019), on a square turned with the face."""

from dataclasses import dataclass

import numpy as np

from gpu_tasks.mediakit.faces import networks
from gpu_tasks.mediakit.faces.crops import Points, Square, angle_of, moved
from gpu_tasks.mediakit.faces.detection import Face
from gpu_tasks.mediakit.film import Frame

LANDMARKS = 468
MARGIN = 1.5
"""The square's side, of the larger side of the face's box."""
RIGHT_CORNER, LEFT_CORNER = 33, 263
"""The outer corners of the person's eyes, among the landmarks."""


@dataclass(frozen=True)
class Mesh:
    """The landmarks that the network puts on what it is shown, be it a face or not."""

    points: Points
    """468 × 3 in pixels of the frame; the depth grows away from the camera, 0 at the middle."""
    score: float
    """How sure the network is that there is a face, 0 to 1."""


def landmarks(frame: Frame, face: Face) -> Points:
    """468 × 3 points of a detected face, in pixels."""
    return mesh(frame, square_of(face)).points


def mesh(frame: Frame, square: Square) -> Mesh:
    """The mesh of the face in a square of the frame."""
    side = networks.MESH.side
    raw, score = networks.outputs(networks.MESH, square.cut(frame, side))
    points = moved(raw.reshape(LANDMARKS, 3), square.to_frame(side))
    return Mesh(points=points, score=float(networks.sigmoid(score).item()))


def square_of(face: Face) -> Square:
    """The square to look for the landmarks of a detected face in."""
    right_eye, left_eye = face.keypoints[:2]
    side = max(face.right - face.left, face.bottom - face.top) * MARGIN
    x, y = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    return Square(x=x, y=y, side=side, angle=angle_of(right_eye, left_eye))


def square_around(points: Points) -> Square:
    """The square to look for them in next, from the landmarks of the frame before."""
    angle = angle_of(points[RIGHT_CORNER], points[LEFT_CORNER])
    cos, sin = np.cos(angle), np.sin(angle)
    upright = points[:, :2] @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return Square(x=float(x), y=float(y), side=float((high - low).max()) * MARGIN, angle=angle)
