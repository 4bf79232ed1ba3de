"""The draft engine: the portrait is bent by the landmarks of the driving face, on a CPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import iris
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import Shape, opening_of, shaped
from gpu_tasks.performance_cloning.bending import bent
from gpu_tasks.performance_cloning.contract import (
    PerformanceCloningPayload,
    PerformanceCloningResult,
)
from gpu_tasks.performance_cloning.eyelids import closed
from gpu_tasks.performance_cloning.motion import motions
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
CLOSED_LIPS = 0.06
"""The opening that the landmarks of closed lips have, as a share of the mouth's width."""
OPENING_GAIN = 1.4
"""Landmarks lag behind lips that are wide open."""
DROOPING, SHUT = 0.85, 0.5
"""Of a face's usual opening of the eyes: where closing begins, and where it has ended."""


@dataclass(frozen=True)
class Moment:
    """What the driving face does in a frame."""

    points: Points
    eyes: tuple[float, float]
    """How open they are, the person's right one first."""


class DraftEngine(Engine):
    """Gives a portrait the head movements, the expressions, the mouth and the blinks of a film."""

    model = "face landmarks, mesh warp"

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


def _moment(frame: Frame, points: Points) -> Moment:
    right, left = iris(frame, points)
    return Moment(points, (right.openness, left.openness))


def _filled(watched: Sequence[Moment | None]) -> list[Moment]:
    """With what lies between, where the face was not seen."""
    seen = [index for index, moment in enumerate(watched) if moment is not None]
    known = [moment for moment in watched if moment is not None]
    points = np.stack([moment.points for moment in known])
    eyes = np.array([moment.eyes for moment in known])
    places = np.interp(np.arange(len(watched)), seen, np.arange(len(seen)))
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, len(seen) - 1)
    share = places - before
    return [
        Moment(
            ((1 - part) * points[first] + part * points[second]).astype(np.float32),
            (float(open_eyes[0]), float(open_eyes[1])),
        )
        for first, second, part, open_eyes in zip(
            before,
            after,
            share,
            (1 - share[:, None]) * eyes[before] + share[:, None] * eyes[after],
            strict=True,
        )
    ]


def _acted(still: Portrait, moments: Sequence[Moment]) -> Iterator[Frame]:
    """The portrait in each moment of the performance."""
    usual = np.median([moment.eyes for moment in moments], axis=0)
    moves = motions([moment.points for moment in moments])
    for moment, motion in zip(moments, moves, strict=True):
        opening = OPENING_GAIN * max(0.0, opening_of(moment.points) - CLOSED_LIPS)
        picture = shaped(still.picture, still.points, Shape(opening))
        right, left = (_closing(now, often) for now, often in zip(moment.eyes, usual, strict=True))
        picture = closed(picture, still.points, (right, left))
        yield bent(picture, still.points, motion.given_to(still.points))


def _closing(openness: float, usual: float) -> float:
    """How much an eye is closed, 0 to 1, beside how open it usually is."""
    share = openness / max(usual, 1e-6)
    return float(np.clip((DROOPING - share) / (DROOPING - SHUT), 0, 1))
