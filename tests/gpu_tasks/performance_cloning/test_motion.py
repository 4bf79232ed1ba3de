"""The motion of faces, told from the mean face turned and bent on purpose."""

import cv2
import numpy as np
import pytest

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import LEFT_BROW, RIGHT_BROW, canonical
from gpu_tasks.performance_cloning.motion import (
    MAX_EXPRESSION,
    MAX_GROWTH,
    MAX_SHIFT,
    MAX_TURN,
    Motion,
    motions,
    pose_of,
)

LOWER_LIP = 17


def head(
    *,
    turn: tuple[float, float, float] = (0, 0, 0),
    scale: float = 100.0,
    at: tuple[float, float] = (300.0, 200.0),
    change: Points | None = None,
) -> Points:
    """The mean face, turned about each axis by so many degrees."""
    rotation = cv2.Rodrigues(np.deg2rad(turn))[0]
    plain = np.asarray(canonical(), float) + (0 if change is None else change)
    return (scale * plain @ rotation.T + np.array([*at, 0])).astype(np.float32)


def raised(brows: float) -> Points:
    """A change of the brows, in distances of the eyes."""
    change = np.zeros_like(canonical())
    change[[*RIGHT_BROW, *LEFT_BROW], 1] = -brows
    return change


def degrees(motion: Motion) -> list[float]:
    vector = cv2.Rodrigues(motion.turn)[0].reshape(3)
    return [float(one) for one in np.rad2deg(vector)]


def test_a_pose_is_told_and_undone():
    face = head(turn=(5, -20, 10), scale=80, at=(50, 60))
    pose = pose_of(face)
    assert pose.scale == pytest.approx(80, rel=1e-3)
    assert pose.shift[:2] == pytest.approx([50, 60], abs=0.1)
    assert pose.undone(face) == pytest.approx(canonical(), abs=1e-3)
    assert pose.of(pose.undone(face)) == pytest.approx(face, abs=1e-2)


def test_a_still_face_gives_no_motion():
    for motion in motions([head(turn=(3, 4, 5))] * 3):
        assert degrees(motion) == pytest.approx([0, 0, 0], abs=1e-3)
        assert motion.growth == pytest.approx(1)
        assert motion.shift == pytest.approx(np.zeros(3), abs=1e-4)
        assert np.abs(motion.expression).max() < 1e-4


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_small_turn_is_given_as_it_is(axis: int):
    turn = tuple(5.0 * (index == axis) for index in range(3))
    still, turned = motions([*[head()] * 20, head(turn=turn)])[-2:]
    assert abs(degrees(still)[axis]) < 0.3
    assert degrees(turned) == pytest.approx(list(turn), abs=0.5)
    other = head(turn=(0, 8, 0), scale=40, at=(90, 80))
    given = pose_of(turned.given_to(other))
    relative = Motion(given.rotation @ pose_of(other).rotation.T, 1, np.zeros(3), np.zeros(1))
    assert degrees(relative) == pytest.approx(degrees(turned), abs=0.05)
    assert given.scale == pytest.approx(40, rel=1e-3)


def test_a_large_turn_is_limited():
    turned = motions([head(), head(turn=(60, 0, 0)), head()])[1]
    assert 0.8 * MAX_TURN[0] < np.deg2rad(degrees(turned)[0]) <= MAX_TURN[0]


def test_nearing_and_moving_are_measured_by_the_head_and_limited():
    moved = motions([head(), head(at=(310, 200), scale=102), head()])[1]
    assert moved.growth == pytest.approx(1.02, abs=0.002)
    assert moved.shift == pytest.approx([0.1, 0, 0], abs=0.01)
    far = motions([head(), head(at=(900, 200), scale=300), head()])[1]
    assert 1 < far.growth <= 1 + MAX_GROWTH
    assert 0 < far.shift[0] <= MAX_SHIFT


def test_raised_brows_are_raised_on_another_face():
    usual, surprised = motions([head(), head(change=raised(0.05)), head()])[:2]
    other = head(scale=50, at=(100, 90))
    ways = surprised.given_to(other) - usual.given_to(other)
    assert -0.05 * 50 < ways[105, 1] < -0.4 * 0.05 * 50
    assert abs(ways[LOWER_LIP, 1]) < 0.2


def test_an_opened_mouth_is_no_expression():
    change = np.zeros_like(canonical())
    change[[13, 14, 17, 152], 1] = [0, 0.2, 0.2, 0.15]
    opened = motions([head(), head(change=change), head()])[1]
    assert np.abs(opened.expression).max() < 0.02


def test_a_grimace_is_limited():
    wild = motions([head(), head(change=raised(2.0)), head()])[1]
    assert np.abs(wild.expression).max() <= MAX_EXPRESSION
