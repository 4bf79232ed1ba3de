"""A person who looks away, in frames and films; and where their irises are."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from gpu_tasks.gaze_redirection.gaze import Gaze, compute_gaze
from gpu_tasks.gaze_redirection.warp import Opening, move_iris
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.detection import detect_faces
from gpu_tasks.mediakit.faces.iris import Eye, detect_irises
from gpu_tasks.mediakit.faces.mesh import detect_landmarks, detect_mesh, get_next_square
from gpu_tasks.mediakit.film import FilmWriter, Frame, probe
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene

RATE = Fraction(25)
FACE = 256
SIZE = {"width": 400, "height": 340}
CENTRE = Place(x=200, y=175, side=FACE)


def face_of(frame: Frame) -> Points:
    """Return the landmarks, once the square fits the face."""
    points = detect_landmarks(frame, detect_faces(frame)[0])
    for _ in range(3):
        points = detect_mesh(frame, get_next_square(points)).points
    return points


def eyes_of(frame: Frame) -> tuple[Eye, Eye]:
    return detect_irises(frame, face_of(frame))


def looks(frame: Frame) -> Gaze:
    points = face_of(frame)
    return compute_gaze(points, detect_irises(frame, points))


def opening_of(eye: Eye) -> Opening:
    return Opening(eye.lids, eye.iris[0], eye.radius, eye.width)


def person(x: float, y: float, position: Place = CENTRE) -> Frame:
    """Return a frame with a person who looks away by this distance, in widths of an eye."""
    frame = scene(position, **SIZE)
    for eye in eyes_of(frame):
        move_iris(frame, opening_of(eye), np.array([x, y]) * eye.width)
    return frame


def write_film(
    path: Path, frames: Iterable[Frame], *, rate: Fraction = RATE, sound: Path | None = None
) -> Path:
    frames = list(frames)
    height, width = frames[0].shape[:2]
    with FilmWriter(path, width=width, height=height, frame_rate=rate, sound=sound) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def tone(folder: Path, seconds: float) -> Path:
    """Return a file with a sound of this length."""
    return make_film(folder / "tone.mp4", size="16x16", seconds=seconds)


def frames_of(path: Path) -> list[Frame]:
    return list(probe(path).frames())
