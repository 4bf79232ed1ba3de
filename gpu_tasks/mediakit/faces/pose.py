"""The pose of a head: the mean face fitted to the landmarks (Kabsch 1976, Umeyama 1991)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import FIRM, load_mean_face


@dataclass(frozen=True)
class Pose:
    """A rotation and scale from the mean face to the frame, without perspective."""

    rotation: NDArray[np.float64]
    """3 × 3; its columns are the head's left, down and backward directions in the frame."""
    scale: float
    """Distance of the outer corners of the eyes, in pixels."""

    @property
    def angle_degrees(self) -> float:
        """Return the angle between the face's direction and the direction towards us."""
        return float(np.degrees(np.arccos(np.clip(self.rotation[2, 2], -1, 1))))


def fit_pose(points: Points) -> Pose:
    """Fit the mean face's firm landmarks to those of a mesh."""
    firm = list(FIRM)
    model, observed = load_mean_face()[firm].astype(float), points[firm].astype(float)
    model, observed = model - model.mean(axis=0), observed - observed.mean(axis=0)
    left, sizes, right = np.linalg.svd(observed.T @ model)
    # The sign excludes mirror images, which are no rotations.
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    return Pose(rotation=rotation, scale=float((sizes * signs).sum() / (model**2).sum()))
