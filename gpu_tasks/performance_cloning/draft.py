"""The draft engine: the portrait is bent by the landmarks of the driving face, on a CPU."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import iris
from gpu_tasks.mediakit.faces.regions import FIRM, canonical
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import opened, opening_of
from gpu_tasks.mediakit.warping import pixels_of
from gpu_tasks.performance_cloning.bending import bent, fitted
from gpu_tasks.performance_cloning.contract import (
    PerformanceCloningPayload,
    PerformanceCloningResult,
)
from gpu_tasks.performance_cloning.eyelids import closed
from gpu_tasks.performance_cloning.performance import (
    Portrait,
    driving_film,
    portrait,
    watch,
    write,
)
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.stages import Stage

WATCH_SHARE = 0.4
"""Of the progress, for watching the driving film."""
CLOSED_LIPS = 0.07
"""The opening that the landmarks of closed lips have, as a share of the mouth's width."""
OPENING_GAIN = 1.4
"""Landmarks lag behind lips that are wide open."""
DROOPING, SHUT = 0.85, 0.5
"""Of a face's usual opening of the eyes: where closing begins, and where it has ended."""

Table = NDArray[np.complex128]
"""Frames × 5: the ``turn`` and ``way`` that bring the mean face over this one, the opening of the
mouth, the openness of the person's right and left eye."""


class DraftEngine(Engine):
    """Gives a portrait the head movements in the picture's plane, the mouth and the blinks of a
    film.
    """

    model = "face landmarks, similarity and mesh warp"

    def run(
        self, payload: PerformanceCloningPayload, workspace: Workspace
    ) -> PerformanceCloningResult:
        """Write the film; where the driving face is not seen, the portrait moves on to where it is
        seen again.
        """
        del payload
        workspace.enter(Stage.READING)
        still = portrait(workspace.input("source"))
        film = driving_film(workspace.input("driving"))
        watched = [
            None if points is None else _moment(frame, points)
            for frame, points in watch(film, workspace.progress_within(0.0, WATCH_SHARE))
        ]
        height, width = still.picture.shape[:2]
        return write(
            _acted(still, _filled(watched)),
            workspace,
            film,
            size=(width, height),
            seen=[moment is not None for moment in watched],
            begun=WATCH_SHARE,
        )


def _head(points: Points) -> tuple[complex, complex]:
    """How the mean face lies over this one: see ``fitted``."""
    firm = list(FIRM)
    return fitted(pixels_of(canonical()[firm]), pixels_of(points[firm]))


def _moment(frame: Frame, points: Points) -> list[complex]:
    """A row of the table."""
    return [*_head(points), opening_of(points), *(eye.openness for eye in iris(frame, points))]


def _filled(watched: Sequence[list[complex] | None]) -> Table:
    """With what lies between, where the face was not seen."""
    seen = [index for index, moment in enumerate(watched) if moment is not None]
    known = np.array([moment for moment in watched if moment is not None])
    frames = np.arange(len(watched))
    return np.stack([np.interp(frames, seen, column) for column in known.T], axis=1)


def _acted(still: Portrait, moments: Table) -> Iterator[Frame]:
    """The portrait in each moment of the performance, told from the performer's usual one."""
    usual = np.median(moments.real, axis=0) + 1j * np.median(moments.imag, axis=0)
    size, middle = _head(still.points)
    turns = moments[:, 0] / usual[0]
    shifts = (moments[:, 1] - usual[1]) * abs(size / usual[0])
    openings = OPENING_GAIN * (moments[:, 2].real - CLOSED_LIPS)
    openness = moments[:, 3:].real / np.maximum(usual[3:].real, 1e-6)
    closing = np.clip((DROOPING - openness) / (DROOPING - SHUT), 0, 1)
    for turn, shift, opening, shut in zip(turns, shifts, openings, closing, strict=True):
        picture = opened(still.picture, still.points, opening)
        picture = closed(picture, still.points, shut)
        yield bent(picture, still.points, turn, shift, middle)
