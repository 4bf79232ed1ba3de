"""The production engine: Wan2.2-Animate paints the portrait after the driving film."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import LEFT_BROW, RIGHT_BROW
from gpu_tasks.mediakit.film import Film, Frame
from gpu_tasks.performance_cloning.contract import (
    CONTRACT,
    PerformanceCloningPayload,
    PerformanceCloningResult,
)
from gpu_tasks.performance_cloning.people import People
from gpu_tasks.performance_cloning.performance import (
    Portrait,
    driving_film,
    portrait,
    watch,
    write,
)
from gpu_tasks.performance_cloning.skeleton import Keypoints, drawn, laid_over
from gpu_tasks.performance_cloning.wan import Effort, Wan
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.stages import Stage

BATCH = 16
"""Frames whose people are looked for at once."""
WATCH_SHARE, PAINT_SHARE = 0.1, 0.88
"""Of the progress; the rest is encoding."""
FACE_GROWTH = np.sqrt(1.3) - 1
"""A face is shown with 1.3 times the area from brows to chin, three quarters of it above."""


@dataclass
class _Watched:
    """What was seen in the driving film: a picture of the face and the joints, frame by frame."""

    faces: list[Frame] = field(default_factory=list)
    people: list[Keypoints] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)


class ProductionEngine(Engine):
    """Makes a portrait act out a film."""

    model = CONTRACT.models["video"]

    def __init__(self, wan: Wan, people: People) -> None:
        self._wan = wan
        self._people = people

    @classmethod
    def load(cls, host: Host, effort: Effort = Effort()) -> Self:  # noqa: B008 - it is frozen
        """The engine with its weights."""
        return cls(Wan(host, effort), People(host))

    def run(
        self, payload: PerformanceCloningPayload, workspace: Workspace
    ) -> PerformanceCloningResult:
        """Write the film; where the driving face is not seen, the last that was seen counts."""
        workspace.enter(Stage.READING)
        still = portrait(workspace.input("source"))
        film = driving_film(workspace.input("driving"))
        watched = self._watch(film, workspace.progress_within(0.0, WATCH_SHARE))
        begun = WATCH_SHARE + PAINT_SHARE
        size = self._wan.size_for(still.picture, len(watched.seen))
        frames = self._wan.paint(
            _resized(still.picture, size),
            self._figures(still, watched, size),
            watched.faces,
            seed=payload.seed,
            progress=workspace.progress_within(WATCH_SHARE, begun),
        )
        return write(frames, workspace, film, size=size, seen=watched.seen, begun=begun)

    def _watch(self, film: Film, progress: Callable[[float], None]) -> _Watched:
        watched = _Watched()
        waiting: list[tuple[Frame, Points]] = []
        known: tuple[Frame, Points] | None = None
        leading = 0
        for frame, points in watch(film, progress):
            watched.seen.append(points is not None)
            if points is not None:
                known = (frame, points)
            if known is None:
                leading += 1
                continue
            # The first that is seen stands for those before it.
            waiting += [known] * (1 + leading)
            leading = 0
            if len(waiting) >= BATCH:
                self._add_poses(waiting, watched)
                waiting = []
        self._add_poses(waiting, watched)
        return watched

    def _add_poses(self, waiting: Sequence[tuple[Frame, Points]], watched: _Watched) -> None:
        if not waiting:
            return
        frames, faces = zip(*waiting, strict=True)
        watched.people += self._people.keypoints(frames, faces)
        watched.faces += [_face(frame, points, self._wan.face_side) for frame, points in waiting]

    def _figures(self, still: Portrait, watched: _Watched, size: tuple[int, int]) -> list[Frame]:
        """The stick figures, as large and where the portrait's person is."""
        (sitter,) = self._people.keypoints([still.picture], [still.points])
        height, width = still.picture.shape[:2]
        sitter = sitter * np.array([size[0] / width, size[1] / height, 1], np.float32)
        first = watched.people[0]
        return [drawn(laid_over(person, first, sitter), *size) for person in watched.people]


def _face(frame: Frame, points: Points, side: int) -> Frame:
    """The face as the model wants to see it: from the brows to the chin, with a margin."""
    height, width = frame.shape[:2]
    (left, _), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    top = points[[*RIGHT_BROW, *LEFT_BROW], 1].min()
    across, down = (right - left) * FACE_GROWTH / 2, (bottom - top) * FACE_GROWTH / 4
    columns = np.clip([left - across, right + across], 0, width).astype(int)
    rows = np.clip([top - 3 * down, bottom + down], 0, height).astype(int)
    part = frame[rows[0] : max(rows[1], rows[0] + 1), columns[0] : max(columns[1], columns[0] + 1)]
    return _resized(part if part.size else frame, (side, side))


def _resized(picture: Frame, size: tuple[int, int]) -> Frame:
    how = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
