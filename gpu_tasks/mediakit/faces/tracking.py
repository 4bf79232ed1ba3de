"""Follow one face through a film: detected now and then, found again from frame to frame."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.detection import LEVELS, Face, detect
from gpu_tasks.mediakit.faces.mesh import Mesh, mesh, square_around, square_of
from gpu_tasks.mediakit.faces.smoothing import OneEuro, Smoothing
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.errors import EngineError, ErrorCode

LOOK_SECONDS = 0.5
"""How often faces are looked for while one is followed; and in all sizes while there is none."""
MIN_SCORE = 0.5
"""Of a mesh to be a face's."""
SAME_FACE = 0.3
"""Overlap of a detection with the followed face above which it is that face."""
BYSTANDER = 0.2
"""A face with less than this share of the largest one's area does not count as another face."""
JUMP = 0.3
"""Of the face's size: who moves further in a frame was cut to, and is not smoothed over."""
SEVERAL = "There are several faces in the film: it must be clear whose is meant."


class Several(StrEnum):
    """What to do about two faces or more."""

    LARGEST = "largest"
    """Follow the largest until it is lost."""
    REFUSE = "refuse"


@dataclass(frozen=True)
class Tracked:
    """The followed face in a frame."""

    points: Points
    """468 × 3 landmarks in pixels, smoothed over time."""
    score: float
    """Of the mesh, 0 to 1."""
    faces: int
    """How many faces there were when they were looked for last, bystanders left out."""
    anew: bool
    """It was not followed here from the frame before: nothing of before says anything of it."""


class FaceTracker:
    """Takes a film's frames in order; ``several`` says what happens with two faces or more."""

    def __init__(
        self,
        *,
        frame_rate: float,
        several: Several = Several.LARGEST,
        smoothing: Smoothing = Smoothing(),  # noqa: B008 - it is immutable
    ) -> None:
        self.frames = 0
        self.frames_with_face = 0
        self.most_faces = 0
        self._several = several
        self._every = max(1, round(LOOK_SECONDS * frame_rate))
        self._smooth = OneEuro(frame_rate, smoothing)
        self._last: Points | None = None
        self._size: float | None = None
        self._faces = 0

    @property
    def share_with_face(self) -> float:
        """Of the frames so far."""
        return self.frames_with_face / self.frames if self.frames else 0.0

    def follow(self, frame: Frame) -> Tracked | None:
        """The face in the next frame, or None where there is none.

        Raises ``EngineError`` INPUT_INVALID for several faces where they are refused.
        """
        due = self.frames % self._every == 0
        self.frames += 1
        seen = self._detect(frame, LEVELS) if due else None
        found = self._again(frame, seen) or self._anew(frame, seen)
        if found is None:
            self._last = None
            return None
        self.frames_with_face += 1
        anew = not self._follows(found.points)
        return Tracked(self._steady(found.points, anew), found.score, self._faces, anew)

    def _detect(self, frame: Frame, levels: int) -> tuple[Face, ...]:
        faces = detect(frame, levels=levels)
        self._faces = sum(face.area >= BYSTANDER * faces[0].area for face in faces)
        self.most_faces = max(self.most_faces, self._faces)
        if self._faces > 1 and self._several is Several.REFUSE:
            raise EngineError(ErrorCode.INPUT_INVALID, SEVERAL)
        return faces

    def _again(self, frame: Frame, seen: tuple[Face, ...] | None) -> Mesh | None:
        """The face of the frame before, near where it was."""
        if self._last is None:
            return None
        known = _box(self._last)
        # Where the detector sees nothing, as with profiles, the mesh is believed.
        if seen and all(face.overlap(known) < SAME_FACE for face in seen):
            return None
        return _believed(mesh(frame, square_around(self._last)))

    def _anew(self, frame: Frame, seen: tuple[Face, ...] | None) -> Mesh | None:
        """The largest face that has a mesh."""
        self._last = None
        faces = self._detect(frame, levels=1) if seen is None else seen
        for face in faces:
            # The second look is at where the mesh is, which the box tells roughly.
            found = _believed(mesh(frame, square_of(face)))
            found = found and _believed(mesh(frame, square_around(found.points)))
            if found:
                return found
        return None

    def _follows(self, points: Points) -> bool:
        if self._last is None:
            return False
        moved = np.linalg.norm(points - self._last, axis=1).mean()
        return bool(moved <= JUMP * square_around(points).side)

    def _steady(self, points: Points, anew: bool) -> Points:
        if anew or self._size is None:
            self._smooth.reset()
            self._size = square_around(points).side
        self._last = points
        return (self._smooth(points / self._size) * self._size).astype(np.float32)


def _believed(found: Mesh) -> Mesh | None:
    return found if found.score >= MIN_SCORE else None


def _box(points: Points) -> Face:
    (left, top), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return Face(left, top, right, bottom, score=1.0, keypoints=points[:6, :2])
