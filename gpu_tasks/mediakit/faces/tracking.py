"""Tracking of one face through a film: detected periodically, followed from frame to frame."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.detection import LEVELS, Face, detect_faces
from gpu_tasks.mediakit.faces.mesh import Mesh, detect_mesh, get_next_square, get_search_square
from gpu_tasks.mediakit.faces.smoothing import OneEuro, Smoothing
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.errors import EngineError, ErrorCode

DETECTION_SECONDS = 0.5
"""How often faces are detected while one is followed, and in all sizes while there is none."""
MIN_SCORE = 0.5
"""The lowest score of a mesh that counts as a face."""
SAME_FACE = 0.3
"""The overlap of a detection with the followed face above which it is the same face."""
BYSTANDER = 0.2
"""A face with less than this share of the largest one's area does not count as another face."""
JUMP = 0.3
"""The largest movement in a frame, in sizes of the face. More is a cut, which is not smoothed."""
SEVERAL = "There are several faces in the film: it must be clear whose is meant."


class SeveralFaces(StrEnum):
    """The behaviour when there are two or more faces."""

    LARGEST = "largest"
    """Follow the largest until it is lost."""
    REFUSE = "refuse"


@dataclass(frozen=True)
class TrackedFace:
    """The followed face in a frame."""

    points: Points
    """468 × 3 landmarks in pixels, smoothed over time."""
    score: float
    """Score of the mesh, 0 to 1."""
    faces: int
    """The number of faces at the last detection, without bystanders."""
    is_new: bool
    """The face was not followed from the previous frame, so earlier values do not apply to it."""


class FaceTracker:
    """A tracker that takes a film's frames in order; ``several`` is for two or more faces."""

    def __init__(
        self,
        *,
        frame_rate: float,
        several: SeveralFaces = SeveralFaces.LARGEST,
        smoothing: Smoothing = Smoothing(),  # noqa: B008 - it is immutable
    ) -> None:
        self.frames = 0
        self.frames_with_face = 0
        self.most_faces = 0
        self._several = several
        self._detection_interval = max(1, round(DETECTION_SECONDS * frame_rate))
        self._smooth = OneEuro(frame_rate, smoothing)
        self._last_points: Points | None = None
        self._size: float | None = None
        self._faces = 0

    @property
    def share_with_face(self) -> float:
        """Return the share of the frames so far that have a face."""
        return self.frames_with_face / self.frames if self.frames else 0.0

    def follow(self, frame: Frame) -> TrackedFace | None:
        """Return the face in the next frame, or None if there is none.

        Raises ``EngineError`` INPUT_INVALID for several faces if they are refused.
        """
        is_due = self.frames % self._detection_interval == 0
        self.frames += 1
        faces = self._detect_faces(frame, LEVELS) if is_due else None
        face_mesh = self._follow_last_face(frame, faces) or self._find_new_face(frame, faces)
        if face_mesh is None:
            self._last_points = None
            return None
        self.frames_with_face += 1
        is_new = not self._is_continuous(face_mesh.points)
        return TrackedFace(
            self._smooth_points(face_mesh.points, is_new), face_mesh.score, self._faces, is_new
        )

    def _detect_faces(self, frame: Frame, levels: int) -> tuple[Face, ...]:
        faces = detect_faces(frame, levels=levels)
        self._faces = sum(face.area >= BYSTANDER * faces[0].area for face in faces)
        self.most_faces = max(self.most_faces, self._faces)
        if self._faces > 1 and self._several is SeveralFaces.REFUSE:
            raise EngineError(ErrorCode.INPUT_INVALID, SEVERAL)
        return faces

    def _follow_last_face(self, frame: Frame, faces: tuple[Face, ...] | None) -> Mesh | None:
        """Return the mesh of the previous frame's face, near its last position."""
        if self._last_points is None:
            return None
        box = _build_box(self._last_points)
        # If the detector finds no face, as with profiles, the mesh decides.
        if faces and all(face.overlap(box) < SAME_FACE for face in faces):
            return None
        return _accept_mesh(detect_mesh(frame, get_next_square(self._last_points)))

    def _find_new_face(self, frame: Frame, faces: tuple[Face, ...] | None) -> Mesh | None:
        """Return the mesh of the largest face that has one."""
        self._last_points = None
        for face in self._detect_faces(frame, levels=1) if faces is None else faces:
            # The box is rough, so the mesh is computed again around the first mesh.
            face_mesh = _accept_mesh(detect_mesh(frame, get_search_square(face)))
            face_mesh = face_mesh and _accept_mesh(
                detect_mesh(frame, get_next_square(face_mesh.points))
            )
            if face_mesh:
                return face_mesh
        return None

    def _is_continuous(self, points: Points) -> bool:
        if self._last_points is None:
            return False
        distance = np.linalg.norm(points - self._last_points, axis=1).mean()
        return bool(distance <= JUMP * get_next_square(points).side)

    def _smooth_points(self, points: Points, is_new: bool) -> Points:
        if is_new or self._size is None:
            self._smooth.reset()
            self._size = get_next_square(points).side
        self._last_points = points
        return (self._smooth(points / self._size) * self._size).astype(np.float32)


def _accept_mesh(face_mesh: Mesh) -> Mesh | None:
    return face_mesh if face_mesh.score >= MIN_SCORE else None


def _build_box(points: Points) -> Face:
    (left, top), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return Face(left, top, right, bottom, score=1.0, keypoints=points[:6, :2])
