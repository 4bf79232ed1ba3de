"""How a head is turned: the mean face laid on the landmarks (Kabsch 1976, Umeyama 1991)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import FIRM, canonical


@dataclass(frozen=True)
class Pose:
    """A rotation from the mean face to the frame, as seen from far away."""

    rotation: NDArray[np.float64]
    """3 × 3; its columns are the head's left, down and backward directions in the frame."""
    scale: float
    """Pixels for the distance of the outer corners of the eyes."""

    @property
    def turned_degrees(self) -> float:
        """The angle between where the face points and the direction towards us."""
        return float(np.degrees(np.arccos(np.clip(self.rotation[2, 2], -1, 1))))


def pose_of(points: Points) -> Pose:
    """The pose that lays the mean face's firm landmarks on those of a mesh best."""
    firm = list(FIRM)
    model, seen = canonical()[firm].astype(float), points[firm].astype(float)
    model, seen = model - model.mean(axis=0), seen - seen.mean(axis=0)
    left, sizes, right = np.linalg.svd(seen.T @ model)
    # A mirror image is no turn.
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    return Pose(rotation=rotation, scale=float((sizes * signs).sum() / (model**2).sum()))
