"""The draft engine: the portrait is bent by the landmarks of the driving face, on a CPU."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import iris
from gpu_tasks.mediakit.faces.regions import FIRM, canonical
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import Shape, opening_of, shaped
from gpu_tasks.performance_cloning.bending import bent, fitted, moved
from gpu_tasks.performance_cloning.contract import (
    PerformanceCloningPayload,
    PerformanceCloningResult,
)
from gpu_tasks.performance_cloning.eyelids import closed
from gpu_tasks.performance_cloning.performance import (
    Portrait,
    driving_film,
    performed,
    portrait,
    write,
)
from gpu_tasks.runtime.engine import Engine, Workspace

WATCH_SHARE = 0.4
"""Of the progress, for watching the driving film."""
CLOSED_LIPS = 0.07
"""The opening that the landmarks of closed lips have, as a share of the mouth's width."""
OPENING_GAIN = 1.4
"""Landmarks lag behind lips that are wide open."""
DROOPING, SHUT = 0.85, 0.5
"""Of a face's usual opening of the eyes: where closing begins, and where it has ended."""

Table = NDArray[np.float64]
"""Frames × 7: how the mean face is turned and enlarged, and where it is, in complex numbers'
parts; the opening of the mouth; the openness of the person's right and left eye."""


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
        still = portrait(workspace.input("source"))
        film = driving_film(workspace.input("driving"))
        watched = [
            None if points is None else _moment(frame, points)
            for frame, points in performed(film, workspace.progress_within(0.0, WATCH_SHARE))
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
    return fitted(canonical()[firm], points[firm])


def _moment(frame: Frame, points: Points) -> list[float]:
    """A row of the table."""
    turn, way = _head(points)
    eyes = [eye.openness for eye in iris(frame, points)]
    return [turn.real, turn.imag, way.real, way.imag, opening_of(points), *eyes]


def _filled(watched: Sequence[list[float] | None]) -> Table:
    """With what lies between, where the face was not seen."""
    seen = [index for index, moment in enumerate(watched) if moment is not None]
    known = np.array([moment for moment in watched if moment is not None])
    frames = np.arange(len(watched))
    return np.stack([np.interp(frames, seen, column) for column in known.T], axis=1)


def _acted(still: Portrait, moments: Table) -> Iterator[Frame]:
    """The portrait in each moment of the performance."""
    usual = np.median(moments, axis=0)
    usual_turn, usual_way = complex(*usual[:2]), complex(*usual[2:4])
    size, middle = _head(still.points)
    openness = moments[:, 5:] / np.maximum(usual[5:], 1e-6)
    closing = (DROOPING - openness) / (DROOPING - SHUT)
    for moment, (right, left) in zip(moments, np.clip(closing, 0, 1), strict=True):
        opening = OPENING_GAIN * (moment[4] - CLOSED_LIPS)
        picture = shaped(still.picture, still.points, Shape(opening))
        picture = closed(picture, still.points, (right, left))
        turn = complex(*moment[:2]) / usual_turn
        way = (complex(*moment[2:4]) - usual_way) * abs(size / usual_turn)
        yield bent(picture, still.points, moved(still.points, turn, way, middle))
