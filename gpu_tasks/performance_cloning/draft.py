"""The draft engine: bends the portrait by the landmarks of the driving face, on a CPU."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import detect_irises
from gpu_tasks.mediakit.faces.regions import FIRM, load_mean_face
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import measure_opening, open_mouth
from gpu_tasks.mediakit.warping import to_pixels
from gpu_tasks.performance_cloning.contract import (
    PerformanceCloningPayload,
    PerformanceCloningResult,
)
from gpu_tasks.performance_cloning.eyelids import close_eyes
from gpu_tasks.performance_cloning.head_motion import bend_head, fit_similarity
from gpu_tasks.performance_cloning.performance import (
    Portrait,
    probe_driving_film,
    read_portrait,
    track_face,
    write_film,
)
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.stages import Stage

TRACKING_SHARE = 0.4
"""The share of the progress for tracking the driving film."""
CLOSED_LIPS = 0.07
"""The opening that the landmarks of closed lips have, as a share of the mouth's width."""
OPENING_GAIN = 1.4
"""Compensates for landmarks that lag behind lips that are wide open."""
DROOPING, SHUT = 0.85, 0.5
"""Shares of a face's usual opening of the eyes at which closing begins and ends."""

Table = NDArray[np.complex128]
"""Frames × 5: the ``turn`` and ``way`` that bring the mean face over this one, the opening of the
mouth, the openness of the person's right and left eye.
"""


class DraftEngine(Engine):
    """An engine that transfers head movements in the picture's plane, the mouth and blinks."""

    model = "face landmarks, similarity and mesh warp"

    def run(
        self, payload: PerformanceCloningPayload, workspace: Workspace
    ) -> PerformanceCloningResult:
        """Write the film; gaps in the driving face are interpolated."""
        del payload
        workspace.enter(Stage.READING)
        source_portrait = read_portrait(workspace.input("source"))
        film = probe_driving_film(workspace.input("driving"))
        moments = [
            None if points is None else _measure_moment(frame, points)
            for frame, points in track_face(film, workspace.progress_within(0.0, TRACKING_SHARE))
        ]
        height, width = source_portrait.picture.shape[:2]
        return write_film(
            _act_out(source_portrait, _interpolate_gaps(moments)),
            workspace,
            film,
            size=(width, height),
            has_face=[moment is not None for moment in moments],
            share_before=TRACKING_SHARE,
        )


def _fit_head(points: Points) -> tuple[complex, complex]:
    """Return how the mean face is mapped onto this one: see ``fit_similarity``."""
    firm = list(FIRM)
    return fit_similarity(to_pixels(load_mean_face()[firm]), to_pixels(points[firm]))


def _measure_moment(frame: Frame, points: Points) -> list[complex]:
    """Return a row of the table."""
    return [
        *_fit_head(points),
        measure_opening(points),
        *(eye.openness for eye in detect_irises(frame, points)),
    ]


def _interpolate_gaps(moments: Sequence[list[complex] | None]) -> Table:
    """Return the table, interpolated where the face was not seen."""
    indices = [index for index, moment in enumerate(moments) if moment is not None]
    rows = np.array([moment for moment in moments if moment is not None])
    frames = np.arange(len(moments))
    return np.stack([np.interp(frames, indices, column) for column in rows.T], axis=1)


def _act_out(source_portrait: Portrait, moments: Table) -> Iterator[Frame]:
    """Yield the portrait in each moment of the performance, relative to the performer's median."""
    median = np.median(moments.real, axis=0) + 1j * np.median(moments.imag, axis=0)
    size, middle = _fit_head(source_portrait.points)
    turns = moments[:, 0] / median[0]
    shifts = (moments[:, 1] - median[1]) * abs(size / median[0])
    openings = OPENING_GAIN * (moments[:, 2].real - CLOSED_LIPS)
    openness = moments[:, 3:].real / np.maximum(median[3:].real, 1e-6)
    closing = np.clip((DROOPING - openness) / (DROOPING - SHUT), 0, 1)
    for turn, shift, opening, eye_closing in zip(turns, shifts, openings, closing, strict=True):
        picture = open_mouth(source_portrait.picture, source_portrait.points, opening)
        picture = close_eyes(picture, source_portrait.points, eye_closing)
        yield bend_head(picture, source_portrait.points, turn, shift, middle)
