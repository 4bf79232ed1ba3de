"""Mouths bent open and shut in a picture of a smiling face."""

import numpy as np
import pytest

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import INNER_LIPS, LEFT_EYE, RIGHT_EYE
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import CHIN, measure_opening, open_mouth
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene


def seen(frame: Frame) -> Points:
    result = FaceTracker(frame_rate=1).follow(frame)
    assert result is not None
    return result.points


@pytest.fixture(scope="module", params=[0.0, 25.0, -25.0], ids=["upright", "right", "left"])
def frame(request: pytest.FixtureRequest) -> Frame:
    return scene(Place(240, 180, 200, degrees=request.param))


@pytest.fixture(scope="module")
def points(frame: Frame) -> Points:
    return seen(frame)


def test_what_is_asked_for_is_seen(frame: Frame, points: Points):
    openings = [
        measure_opening(seen(open_mouth(frame, points, item))) for item in (0, 0.2, 0.4, 0.6)
    ]
    assert openings == sorted(openings)
    assert openings[0] < 0.08 < 0.12 < openings[1]
    assert openings[3] > 3 * openings[0]


def test_the_chin_follows_the_lower_lip(frame: Frame, points: Points):
    wide = seen(open_mouth(frame, points, 0.5))
    down = points[CHIN, :2] - points[1, :2]
    way = (wide[CHIN, :2] - points[CHIN, :2]) @ down / np.linalg.norm(down)
    assert way > 0.02 * np.linalg.norm(points[10] - points[CHIN])


def test_the_eyes_and_the_background_stay(frame: Frame, points: Points):
    changes = np.abs(open_mouth(frame, points, 0.6).astype(int) - frame).max(axis=2)
    for eye in (RIGHT_EYE, LEFT_EYE):
        for x, y in points[list(eye), :2].astype(int):
            assert changes[y, x] <= 2
    far = np.linalg.norm(np.indices(changes.shape) - np.array([180, 240])[:, None, None], axis=0)
    assert not changes[far > 220].any()


def test_nothing_is_torn(frame: Frame, points: Points):
    """No step is steeper than the squeezed picture has them, but for the lips' own edges."""
    bent = open_mouth(frame, points, 0.4).astype(int)
    hull = points[list(INNER_LIPS), :2]
    around = np.abs(np.indices(bent.shape[:2])[::-1] - hull.mean(axis=0)[:, None, None])
    lips = (around < 1.2 * np.ptp(hull, axis=0).max()).all(axis=0)
    steps, were = (
        np.abs(np.diff(item, axis=0)).max(axis=2)[~lips[1:]] for item in (bent, frame.astype(int))
    )
    assert steps.max() <= 1.5 * were.max()


def test_an_open_mouth_is_dark(points: Points, frame: Frame):
    closed = open_mouth(frame, points, 0.0)
    wide = open_mouth(closed, seen(closed), 0.6)
    lips = seen(wide)[list(INNER_LIPS), :2]
    inside = wide[tuple(lips.mean(axis=0).astype(int)[::-1])].astype(int)
    assert inside.sum() < 300
    assert inside[0] > inside[1]  # and reddish


def test_a_face_too_small_or_out_of_the_frame_is_left_alone(frame: Frame, points: Points):
    assert open_mouth(frame, points * 0.02, 0.5) is frame
    assert open_mouth(frame, points + 5000, 0.5) is frame


def test_a_mouth_at_the_edge_of_the_frame_is_bent_as_far_as_it_is_seen(
    frame: Frame, points: Points
):
    x, y = points[13, :2].astype(int)
    cut = np.ascontiguousarray(frame[: y + 5, : x + 5])
    bent = open_mouth(cut, points, 0.5)
    assert bent.shape == cut.shape
    assert (bent != cut).any()
