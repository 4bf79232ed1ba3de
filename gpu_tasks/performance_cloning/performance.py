"""Read the inputs of both engines: the portrait, and the performance in the driving film."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.tracking import FaceTracker, SeveralFaces
from gpu_tasks.mediakit.film import FALLBACK_RATE, Film, FilmWriter, Frame, probe
from gpu_tasks.mediakit.heif import replace_by_png
from gpu_tasks.performance_cloning.contract import (
    MAX_RATE,
    MAX_SECONDS,
    MAX_SIDE,
    MIN_FACE_PIXELS,
    MIN_FACE_SHARE,
    MIN_RATE,
    PerformanceCloningResult,
)
from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage

STEADY_RATE = Fraction(24)
"""The result's rate for films of more frames per second than a result may have."""
EYES = (33, 263)
"""The landmarks of their outer corners."""

NO_PORTRAIT = "There is no face in the portrait."
SEVERAL_PORTRAITS = "There are several faces in the portrait: it must be clear whose is meant."
SMALL_PORTRAIT = "The face in the portrait is too small."
TOO_LONG = f"The driving film is longer than {MAX_SECONDS} seconds."
NO_PERFORMANCE = "There is too little of a face in the driving film."


@dataclass(frozen=True)
class Portrait:
    """A picture of one face, with its landmarks."""

    picture: Frame
    points: Points


def read_portrait(path: Path) -> Portrait:
    """Return the picture at ``path``, or the first frame of the film there.

    Raise ``EngineError`` INPUT_INVALID for none, several, or too small a face.
    """
    replace_by_png(path)
    picture = next(probe(path, max_side=MAX_SIDE).frames())
    face = FaceTracker(frame_rate=1.0).follow(picture)
    if face is None:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_PORTRAIT)
    if face.faces > 1:
        raise EngineError(ErrorCode.INPUT_INVALID, SEVERAL_PORTRAITS)
    outer_corners = face.points[list(EYES), :2]
    if np.linalg.norm(outer_corners[0] - outer_corners[1]) < MIN_FACE_PIXELS:
        raise EngineError(ErrorCode.INPUT_INVALID, SMALL_PORTRAIT)
    return Portrait(picture, face.points)


def probe_driving_film(path: Path) -> Film:
    """Return the driving film, at the rate of the result.

    Raise ``EngineError`` INPUT_INVALID if its header says that it is too long.
    """
    film = probe(path, max_side=MAX_SIDE)
    if film.duration_seconds > MAX_SECONDS + 1 / film.frame_rate:
        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
    return replace(film, frame_rate=choose_rate(film.frame_rate))


def choose_rate(frame_rate: Fraction) -> Fraction:
    """Return the result's frame rate for a driving film's."""
    if frame_rate < MIN_RATE:
        return FALLBACK_RATE
    if frame_rate <= MAX_RATE:
        return frame_rate
    half = frame_rate / 2
    return half if STEADY_RATE <= half <= MAX_RATE else STEADY_RATE


def track_face(
    film: Film, progress: Callable[[float], None]
) -> Iterator[tuple[Frame, Points | None]]:
    """Yield each frame of the driving film with the landmarks of its face.

    Raise ``EngineError`` INPUT_INVALID for several faces, for too few frames with a face, and for a
    film that is too long.
    """
    tracker = FaceTracker(frame_rate=float(film.frame_rate), several=SeveralFaces.REFUSE)
    # A rate that does not divide the film's duration adds a frame.
    max_frames = MAX_SECONDS * film.frame_rate + 1
    for frame in film.frames():
        if tracker.frames >= max_frames:
            raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
        face = tracker.follow(frame)
        yield frame, None if face is None else face.points
        progress(min(1.0, tracker.frames / film.frames_expected))
    if tracker.share_with_face < MIN_FACE_SHARE:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_PERFORMANCE)


def write_film(
    frames: Iterable[Frame],
    workspace: Workspace,
    film: Film,
    *,
    size: tuple[int, int],
    has_face: list[bool],
    share_before: float,
) -> PerformanceCloningResult:
    """Write the result of this width and height, with the driving film's sound.

    ``has_face`` tells for each frame of the driving film whether it shows the face;
    ``share_before`` is the share of the work done before.
    """
    workspace.enter(Stage.GENERATING)
    width, height = size
    with FilmWriter(
        workspace.output("result"),
        width=width,
        height=height,
        frame_rate=film.frame_rate,
        sound=film.path if film.has_sound else None,
    ) as writer:
        writer.write_all(frames, len(has_face), workspace.progress_within(share_before, 1.0))
    return PerformanceCloningResult(
        duration_ms=round(len(has_face) * 1000 / film.frame_rate),
        width=width,
        height=height,
        frame_rate=float(film.frame_rate),
        frames=len(has_face),
        frames_with_face=sum(has_face),
    )
