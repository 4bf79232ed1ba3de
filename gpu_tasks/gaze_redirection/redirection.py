"""Redirect the eyes of a film; shared by both engines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.gaze_redirection.contract import (
    MAX_FRAMES,
    MAX_SECONDS,
    MAX_SIDE,
    MIN_FACE_SHARE,
    GazeRedirectionResult,
)
from gpu_tasks.gaze_redirection.gaze import compute_gaze
from gpu_tasks.gaze_redirection.warp import Opening, limit_shift, move_iris
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import Eye, detect_irises
from gpu_tasks.mediakit.faces.smoothing import OneEuro, Smoothing
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import Film, FilmWriter, Frame, probe
from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode

BATCH = 8
"""Frames that are finished together."""
EYES = Smoothing(cutoff=4.0, promptness=30.0)
"""For the eyes' points, in widths of the face's eyes: a blink is not smeared."""
SHIFT = Smoothing(cutoff=0.8, promptness=5.0, speed_cutoff=4.0)
"""For the shift and its strength, in widths of an eye: noise must not make the eyes tremble."""
TOO_LONG = f"The film is too long: at most {MAX_SECONDS / 60:.0f} minutes at 30 frames a second."
NO_FACE = "No face was found in enough of the film."


@dataclass(frozen=True)
class RedirectedFrame:
    """A frame whose eyes may have been moved."""

    frame: Frame
    points: Points | None
    """The landmarks of the face that was changed; None if the frame is unchanged."""


Finish = Callable[[Sequence[RedirectedFrame]], Sequence[Frame]]
"""Finishes a batch of frames."""


def leave_unfinished(frames: Sequence[RedirectedFrame]) -> Sequence[Frame]:
    """Return the frames unfinished."""
    return [item.frame for item in frames]


class Redirector:
    """A redirection of the largest face's eyes in one film, frame by frame."""

    def __init__(self, frame_rate: float) -> None:
        self.tracker = FaceTracker(frame_rate=frame_rate)
        self.shifts: list[float] = []
        """How far the irises were moved in each changed frame, in pixels."""
        self._eyes = OneEuro(frame_rate, EYES)
        self._shift = OneEuro(frame_rate, SHIFT)

    def redirect(self, frame: Frame) -> RedirectedFrame:
        """Redirect the next frame in place."""
        face = self.tracker.follow(frame)
        if face is None:
            return RedirectedFrame(frame, None)
        if face.is_new:
            self._eyes.reset()
            self._shift.reset()
        eyes = self._smooth_eyes(detect_irises(frame, face.points))
        gaze = compute_gaze(face.points, eyes)
        # The strength is smoothed together with the shift.
        *shift, strength = self._shift(np.array([*gaze.shift, gaze.strength]))
        eye_shift = np.array(shift) * min(strength, gaze.strength)
        if not eye_shift.any():
            return RedirectedFrame(frame, None)
        self.shifts.append(float(np.mean([_move_eye(frame, eye, eye_shift) for eye in eyes])))
        return RedirectedFrame(frame, face.points)

    def _smooth_eyes(self, eyes: Sequence[Eye]) -> list[Eye]:
        unit = np.mean([eye.width for eye in eyes])
        smooth = self._eyes(np.array([_stack_eye_points(eye) for eye in eyes]) / unit) * unit
        return [
            _replace_points(eye, points.astype(np.float32))
            for eye, points in zip(eyes, smooth, strict=True)
        ]


def _stack_eye_points(eye: Eye) -> Points:
    return np.concatenate([eye.contour, eye.iris, eye.rim])


def _replace_points(eye: Eye, points: Points) -> Eye:
    iris_index = len(eye.contour)
    contour, edge, rim = np.split(points, [iris_index, iris_index + len(eye.iris)])
    return replace(eye, contour=contour, iris=edge, rim=rim)


def _move_eye(frame: Frame, eye: Eye, shift: NDArray[np.float64]) -> float:
    opening = Opening(eye.lids, eye.iris[0], eye.radius, eye.width)
    pixels = limit_shift(opening, shift * eye.width)
    move_iris(frame, opening, pixels)
    return float(np.linalg.norm(pixels))


def redirect(
    source: Path, target: Path, workspace: Workspace, finish: Finish = leave_unfinished
) -> GazeRedirectionResult:
    """Write the film at ``source``, redirected, to ``target``.

    Raise ``EngineError`` INPUT_INVALID for films too long and films without a face.
    """
    film = check_length(limit_rate(probe(source, max_side=MAX_SIDE)))
    redirector = Redirector(float(film.frame_rate))
    sound = source if film.has_sound else None
    with FilmWriter(
        target, width=film.width, height=film.height, frame_rate=film.frame_rate, sound=sound
    ) as writer:
        frames = _finish_frames(limit_frames(film.frames()), redirector, finish)
        count = writer.write_all(frames, film.frames_expected, workspace.progress)
        if redirector.tracker.share_with_face < MIN_FACE_SHARE:
            raise EngineError(ErrorCode.INPUT_INVALID, NO_FACE)
    return _build_result(film, redirector, count)


def limit_rate(film: Film) -> Film:
    """Return the film, at its average rate if a varying rate would make too many frames."""
    if film.frames_expected <= MAX_FRAMES:
        return film
    return replace(film, frame_rate=film.average_rate)


def check_length(film: Film) -> Film:
    """Return the film; raise INPUT_INVALID if it is too long."""
    if film.duration_seconds > MAX_SECONDS or film.frames_expected > MAX_FRAMES:
        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
    return film


def limit_frames(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames; raise INPUT_INVALID if there are too many, because headers can be wrong."""
    for index, frame in enumerate(frames):
        if index == MAX_FRAMES:
            raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
        yield frame


def _finish_frames(
    frames: Iterable[Frame], redirector: Redirector, finish: Finish
) -> Iterator[Frame]:
    batch: list[RedirectedFrame] = []
    for frame in frames:
        batch.append(redirector.redirect(frame))
        if len(batch) == BATCH:
            yield from finish(batch)
            batch = []
    if batch:
        yield from finish(batch)


def _build_result(film: Film, redirector: Redirector, count: int) -> GazeRedirectionResult:
    shifts = redirector.shifts
    return GazeRedirectionResult(
        duration_ms=round(count / film.frame_rate * 1000),
        width=film.width,
        height=film.height,
        frame_rate=round(float(film.frame_rate), 3),
        frames=count,
        frames_with_face=redirector.tracker.frames_with_face,
        frames_redirected=len(shifts),
        faces=redirector.tracker.most_faces,
        mean_shift_px=round(sum(shifts) / len(shifts), 3) if shifts else 0.0,
    )
