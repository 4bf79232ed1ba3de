"""The landmarks of a face: Face Mesh (Kartynnik et al. 2019), on a square rotated with the face."""

from dataclasses import dataclass

import numpy as np

from gpu_tasks.mediakit.faces import networks
from gpu_tasks.mediakit.faces.crops import Points, Square, measure_angle, transform_points
from gpu_tasks.mediakit.faces.detection import Face
from gpu_tasks.mediakit.film import Frame

LANDMARKS = 468
MARGIN = 1.5
"""The square's side, relative to the larger side of the face's box."""
RIGHT_CORNER, LEFT_CORNER = 33, 263
"""The outer corners of the person's eyes, among the landmarks."""


@dataclass(frozen=True)
class Mesh:
    """The landmarks that the network finds in its picture, whether or not that is a face."""

    points: Points
    """468 × 3 in pixels of the frame; the depth grows away from the camera, 0 at the middle."""
    score: float
    """The network's confidence that there is a face, 0 to 1."""


def detect_landmarks(frame: Frame, face: Face) -> Points:
    """Return the 468 × 3 landmarks of a detected face, in pixels."""
    return detect_mesh(frame, get_search_square(face)).points


def detect_mesh(frame: Frame, square: Square) -> Mesh:
    """Return the mesh of the face in a square of the frame."""
    side = networks.MESH.side
    raw, score = networks.run_network(networks.MESH, square.cut(frame, side))
    points = transform_points(raw.reshape(LANDMARKS, 3), square.to_frame(side))
    return Mesh(points=points, score=float(networks.sigmoid(score).item()))


def get_search_square(face: Face) -> Square:
    """Return the square in which to look for the landmarks of a detected face."""
    right_eye, left_eye = face.keypoints[:2]
    side = max(face.right - face.left, face.bottom - face.top) * MARGIN
    x, y = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    return Square(x=x, y=y, side=side, angle=measure_angle(right_eye, left_eye))


def get_next_square(points: Points) -> Square:
    """Return the square for the next frame, from the landmarks of the previous one."""
    angle = measure_angle(points[RIGHT_CORNER], points[LEFT_CORNER])
    cos, sin = np.cos(angle), np.sin(angle)
    upright = points[:, :2] @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return Square(x=float(x), y=float(y), side=float((high - low).max()) * MARGIN, angle=angle)
