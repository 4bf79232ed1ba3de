"""Films of a face that acts, made of the portrait, and so with a performance that is known."""

from collections.abc import Callable, Iterable
from functools import cache

import cv2
import numpy as np

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import open_mouth
from gpu_tasks.performance_cloning.eyelids import close_eyes
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene

WIDTH, HEIGHT = 240, 200
FRAMES = 30
OPEN, TILT = 0.5, 10.0


def landmarks(frame: Frame) -> Points:
    """Of the frame's only face."""
    result = FaceTracker(frame_rate=1).follow(frame)
    assert result is not None
    return result.points


@cache
def face() -> tuple[Frame, Points]:
    """Return the performer at rest."""
    frame = scene(Place(WIDTH / 2, HEIGHT / 2, 130), width=WIDTH, height=HEIGHT)
    return frame, landmarks(frame)


def opening(index: int) -> float:
    """Of the mouth: it opens twice."""
    return OPEN * max(0.0, float(np.sin(index / FRAMES * 4 * np.pi)))


def tilt(index: int) -> float:
    """Of the head, in degrees, clockwise: once to each side."""
    return TILT * float(np.sin(index / FRAMES * 2 * np.pi))


def blink(index: int) -> float:
    """Of both eyes: in the middle."""
    return 1.0 if 14 <= index <= 17 else 0.0


def acted(
    *,
    mouth: Callable[[int], float] = lambda _index: 0.0,
    head: Callable[[int], float] = lambda _index: 0.0,
    eyes: Callable[[int], float] = lambda _index: 0.0,
    frames: int = FRAMES,
) -> Iterable[Frame]:
    """Return frames of the performer, with these positions of mouth, head and eyes."""
    still, points = face()
    for index in range(frames):
        frame = open_mouth(still, points, mouth(index))
        frame = close_eyes(frame, points, (eyes(index), eyes(index)))
        turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), -head(index), 1.0)
        turned = cv2.warpAffine(frame, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        yield np.asarray(turned, np.uint8)
