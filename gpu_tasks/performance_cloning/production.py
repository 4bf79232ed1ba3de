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
    probe_driving_film,
    read_portrait,
    track_face,
    write_film,
)
from gpu_tasks.performance_cloning.skeleton import Keypoints, align_keypoints, draw_figure
from gpu_tasks.performance_cloning.wan import Effort, Wan
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.stages import Stage

BATCH = 16
"""Frames in which people are detected at once."""
TRACKING_SHARE, PAINTING_SHARE = 0.1, 0.88
"""Shares of the progress; the rest is encoding."""
FACE_GROWTH = np.sqrt(1.3) - 1
"""A face is cropped with 1.3 times the area from brows to chin, most of the margin above."""


@dataclass
class _Performance:
    """The tracked performance: pictures of the face and the joints, frame by frame."""

    faces: list[Frame] = field(default_factory=list)
    people: list[Keypoints] = field(default_factory=list)
    has_face: list[bool] = field(default_factory=list)


class ProductionEngine(Engine):
    """An engine that makes a portrait act out a film."""

    model = CONTRACT.models["video"]

    def __init__(self, wan: Wan, people: People) -> None:
        self._wan = wan
        self._people = people

    @classmethod
    def load(cls, host: Host, effort: Effort = Effort()) -> Self:  # noqa: B008 - it is frozen
        """Load the networks."""
        return cls(Wan(host, effort), People(host))

    def run(
        self, payload: PerformanceCloningPayload, workspace: Workspace
    ) -> PerformanceCloningResult:
        """Write the film; a frame without a face repeats the last face and pose."""
        workspace.enter(Stage.READING)
        source_portrait = read_portrait(workspace.input("source"))
        film = probe_driving_film(workspace.input("driving"))
        performance = self._track_performance(film, workspace.progress_within(0.0, TRACKING_SHARE))
        painted_share = TRACKING_SHARE + PAINTING_SHARE
        size = self._wan.choose_size(source_portrait.picture, len(performance.has_face))
        frames = self._wan.paint(
            _resize(source_portrait.picture, size),
            self._draw_figures(source_portrait, performance, size),
            performance.faces,
            seed=payload.seed,
            progress=workspace.progress_within(TRACKING_SHARE, painted_share),
        )
        return write_film(
            frames,
            workspace,
            film,
            size=size,
            has_face=performance.has_face,
            share_before=painted_share,
        )

    def _track_performance(self, film: Film, progress: Callable[[float], None]) -> _Performance:
        performance = _Performance()
        pending: list[tuple[Frame, Points]] = []
        latest: tuple[Frame, Points] | None = None
        missing_count = 0
        for frame, points in track_face(film, progress):
            performance.has_face.append(points is not None)
            if points is not None:
                latest = (frame, points)
            if latest is None:
                missing_count += 1
                continue
            # The first visible face is used for the frames before it.
            pending += [latest] * (1 + missing_count)
            missing_count = 0
            if len(pending) >= BATCH:
                self._add_poses(pending, performance)
                pending = []
        self._add_poses(pending, performance)
        return performance

    def _add_poses(
        self, pending: Sequence[tuple[Frame, Points]], performance: _Performance
    ) -> None:
        if not pending:
            return
        frames, faces = zip(*pending, strict=True)
        performance.people += self._people.detect_keypoints(frames, faces)
        performance.faces += [
            _crop_face(frame, points, self._wan.face_side) for frame, points in pending
        ]

    def _draw_figures(
        self, source_portrait: Portrait, performance: _Performance, size: tuple[int, int]
    ) -> list[Frame]:
        """Draw the stick figures at the size and position of the portrait's person."""
        (sitter,) = self._people.detect_keypoints(
            [source_portrait.picture], [source_portrait.points]
        )
        height, width = source_portrait.picture.shape[:2]
        sitter = sitter * np.array([size[0] / width, size[1] / height, 1], np.float32)
        first = performance.people[0]
        return [
            draw_figure(align_keypoints(person, first, sitter), *size)
            for person in performance.people
        ]


def _crop_face(frame: Frame, points: Points, side: int) -> Frame:
    """Return the face as the model expects it: from the brows to the chin, with a margin."""
    height, width = frame.shape[:2]
    (left, _), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    top = points[[*RIGHT_BROW, *LEFT_BROW], 1].min()
    side_margin, unit_margin = (right - left) * FACE_GROWTH / 2, (bottom - top) * FACE_GROWTH / 4
    columns = np.clip([left - side_margin, right + side_margin], 0, width).astype(int)
    rows = np.clip([top - 3 * unit_margin, bottom + unit_margin], 0, height).astype(int)
    crop = frame[rows[0] : max(rows[1], rows[0] + 1), columns[0] : max(columns[1], columns[0] + 1)]
    return _resize(crop if crop.size else frame, (side, side))


def _resize(picture: Frame, size: tuple[int, int]) -> Frame:
    interpolation = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)
