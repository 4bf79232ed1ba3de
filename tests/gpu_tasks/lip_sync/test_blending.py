"""Faces cut out for the network, and put back."""

import numpy as np
import pytest

from gpu_tasks.lip_sync.blending import MIN_SIDE, NOSE_RIDGE, Box
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import INNER_LIPS, LEFT_EYE, RIGHT_EYE, load_mean_face
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import Frame
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene

CHIN = 152
UNDER_NOSE = 2
EYES_68, MIDDLE_68, UNDER_NOSE_68 = 0.326, 0.474, 0.634
"""Heights in the mean face of the 68 points: of 36 to 47 together, of 29 and of 33."""


@pytest.fixture(scope="module")
def frame() -> Frame:
    return scene(Place(160, 120, 120), width=320, height=240)


@pytest.fixture(scope="module")
def points(frame: Frame) -> Points:
    result = FaceTracker(frame_rate=1).follow(frame)
    assert result is not None
    return result.points


def test_the_box_has_the_nose_in_the_middle_and_the_chin_near_its_end(points: Points):
    box = Box.from_points(points)
    middle = (box.top + box.bottom) / 2
    assert middle == pytest.approx(points[NOSE_RIDGE, 1], abs=0.05 * box.height)
    assert 0 < box.bottom - points[CHIN, 1] < 0.08 * box.height
    assert box.left <= points[:, 0].min() + 1
    assert box.right >= points[:, 0].max() - 1


def test_the_middle_is_where_musetalks_is_on_a_mean_face():
    heights = load_mean_face()[:, 1]
    eyes = heights[[*RIGHT_EYE, *LEFT_EYE]].mean()
    share = (heights[NOSE_RIDGE] - eyes) / (heights[UNDER_NOSE] - eyes)
    expected = (MIDDLE_68 - EYES_68) / (UNDER_NOSE_68 - EYES_68)
    assert share == pytest.approx(expected, abs=0.05)


def test_a_face_put_back_as_it_was_changes_nothing(frame: Frame, points: Points):
    box = Box.from_points(points)
    again = box.paste(frame, box.cut(frame, 256), points)
    assert np.abs(again.astype(int) - frame).max() < 24  # enlarged and shrunk again
    assert np.abs(again.astype(int) - frame).mean() < 0.3


def test_only_the_lower_face_is_taken_over(frame: Frame, points: Points):
    box = Box.from_points(points)
    green = np.full((256, 256, 3), (0, 255, 0), np.uint8)
    changes = np.abs(box.paste(frame, green, points).astype(int) - frame).max(axis=2)
    x, y = points[list(INNER_LIPS), :2].mean(axis=0).astype(int)
    assert changes[y, x] > 100
    for eye in (RIGHT_EYE, LEFT_EYE):
        x, y = points[list(eye), :2].mean(axis=0).astype(int)
        assert changes[y, x] == 0
    outside = np.ones_like(changes, bool)
    outside[box.top : box.bottom, box.left : box.right] = False
    assert not changes[outside].any()


def test_the_new_goes_over_into_the_old_without_an_edge(frame: Frame, points: Points):
    box = Box.from_points(points)
    white = np.full((256, 256, 3), 255, np.uint8)
    black = np.zeros_like(frame)
    visible = box.paste(black, white, points).astype(int).max(axis=2)
    assert np.abs(np.diff(visible, axis=0)).max() < 90
    assert np.abs(np.diff(visible, axis=1)).max() < 90


@pytest.mark.parametrize(("x", "y"), [(20, 120), (300, 120), (160, 200), (160, 15)])
def test_a_face_that_hangs_over_the_edge_is_put_back_where_it_is_seen(x: int, y: int):
    whole = scene(Place(160, 120, 120), width=320, height=240)
    result = FaceTracker(frame_rate=1).follow(whole)
    assert result is not None
    moved = result.points + np.array([x - 160, y - 120, 0], np.float32)
    frame = scene(Place(x, y, 120), width=320, height=240)
    box = Box.from_points(moved)
    assert box.is_usable(frame)
    again = box.paste(frame, box.cut(frame, 256), moved)
    assert again.shape == frame.shape
    assert np.abs(again.astype(int) - frame).mean() < 0.5


def test_a_face_too_small_or_out_of_sight_is_left_alone(frame: Frame):
    assert Box(10, 10, 10 + MIN_SIDE, 10 + MIN_SIDE).is_usable(frame)
    assert not Box(10, 10, 9 + MIN_SIDE, 10 + MIN_SIDE).is_usable(frame)
    assert not Box(-50, 10, MIN_SIDE - 1, 60).is_usable(frame)
    assert not Box(400, 10, 450, 60).is_usable(frame)
