import numpy as np
import pytest

from gpu_tasks.mediakit.faces.pose import fit_pose
from gpu_tasks.mediakit.faces.regions import load_mean_face


def turn(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Return a rotation by degrees."""
    a, b, c = np.deg2rad([yaw, pitch, roll])
    around_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return around_z @ around_x @ around_y


def head(rotation: np.ndarray, scale: float = 100.0) -> np.ndarray:
    """Return the mean face, turned."""
    return (load_mean_face() @ rotation.T * scale + [200, 150, 0]).astype(np.float32)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (30, 0, 0), (-50, 10, 0), (0, -25, 20), (15, 15, -40)]
)
def test_a_turned_head_is_told_exactly(yaw: float, pitch: float, roll: float):
    pose = fit_pose(head(turn(yaw, pitch, roll)))
    assert pose.rotation == pytest.approx(turn(yaw, pitch, roll), abs=1e-4)
    assert pose.scale == pytest.approx(100, rel=1e-4)


@pytest.mark.parametrize("degrees", [0.0, 10.0, 35.0, 60.0])
def test_how_far_it_is_turned_away_does_not_depend_on_the_direction(degrees: float):
    for item in (turn(yaw=degrees), turn(yaw=-degrees), turn(pitch=degrees)):
        assert fit_pose(head(item)).angle_degrees == pytest.approx(degrees, abs=0.1)


def test_a_head_that_is_tilted_still_faces_us():
    assert fit_pose(head(turn(roll=40))).angle_degrees == pytest.approx(0, abs=0.1)


def test_expressions_do_not_turn_the_head():
    smiling = head(turn(20))
    smiling[[61, 291, 17, 0]] += [0, 12, 0]
    assert fit_pose(smiling).angle_degrees == pytest.approx(20, abs=0.1)
