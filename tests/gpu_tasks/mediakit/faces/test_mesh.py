import numpy as np
import pytest

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.detection import detect_faces
from gpu_tasks.mediakit.faces.iris import LIDS, detect_irises
from gpu_tasks.mediakit.faces.mesh import (
    detect_landmarks,
    detect_mesh,
    get_next_square,
    get_search_square,
)
from tests.gpu_tasks.mediakit.faces.portrait import LEFT_PUPIL, RIGHT_PUPIL, Place, scene

FACE = 256
STILL = Place(x=300, y=260, side=FACE)


def settled(position: Place) -> Points:
    """Return the landmarks of the face at a place, once the square fits it."""
    frame = scene(position, width=600, height=520)
    points = detect_landmarks(frame, detect_faces(frame)[0])
    for _ in range(3):
        points = detect_mesh(frame, get_next_square(points)).points
    return points


@pytest.fixture(scope="module")
def still() -> Points:
    return settled(STILL)


@pytest.mark.parametrize(
    "position",
    [
        Place(x=330, y=240, side=FACE),
        Place(x=300.5, y=260.25, side=FACE),
        Place(x=300, y=260, side=FACE, degrees=15),
        Place(x=300, y=260, side=FACE, degrees=-30),
        Place(x=260, y=250, side=FACE * 0.8),
    ],
)
def test_the_landmarks_move_with_the_face(still: Points, position: Place) -> None:
    turn, shift = position.matrix[:, :2], position.matrix[:, 2]
    back = (still[:, :2] - STILL.matrix[:, 2]) @ np.linalg.inv(STILL.matrix[:, :2]).T
    errors = np.linalg.norm(settled(position)[:, :2] - (back @ turn.T + shift), axis=1)
    assert np.median(errors) < 2.0
    assert errors.max() < 8.0


def test_the_first_look_is_close_already(still: Points) -> None:
    frame = scene(STILL, width=600, height=520)
    (face,) = detect_faces(frame)
    first = detect_mesh(frame, get_search_square(face))
    assert first.score > 0.99
    assert np.median(np.linalg.norm(first.points - still, axis=1)) < 5.0


def test_a_wall_is_no_face() -> None:
    frame = np.full((300, 300, 3), 140, np.uint8)
    points = np.random.default_rng(1).uniform(80, 220, (468, 3)).astype(np.float32)
    assert detect_mesh(frame, get_next_square(points)).score < 0.1


def test_a_face_that_hangs_over_the_edge_has_its_landmarks_there() -> None:
    position = Place(x=90, y=260, side=FACE)
    frame = scene(position, width=600, height=520)
    points = detect_landmarks(frame, detect_faces(frame)[0])
    assert points[:, 0].min() < 0
    nose = points[1, :2]
    assert abs(nose[0] - position.x) < 0.15 * FACE


@pytest.mark.parametrize("degrees", [0, 20, -20])
def test_the_irises_are_where_the_pupils_are(degrees: float) -> None:
    position = Place(x=300, y=260, side=FACE, degrees=degrees)
    frame = scene(position, width=600, height=520)
    right, left = detect_irises(frame, settled(position))
    truth = position.of([RIGHT_PUPIL, LEFT_PUPIL])
    assert np.linalg.norm(right.iris[0] - truth[0]) < 4
    assert np.linalg.norm(left.iris[0] - truth[1]) < 4
    for eye in (right, left):
        assert eye.contour.shape == (71, 2)
        assert eye.iris.shape == (5, 2)
        assert 0.15 < eye.radius / eye.width < 0.3
        assert 0.25 < eye.openness < 0.6


def test_the_lids_are_a_ring_around_the_iris() -> None:
    frame = scene(STILL, width=600, height=520)
    for eye in detect_irises(frame, settled(STILL)):
        ring = eye.contour[list(LIDS)]
        assert len(set(LIDS)) == len(LIDS) == 16
        angles = np.unwrap(np.arctan2(*(ring - ring.mean(axis=0)).T[::-1]))
        steps = np.diff(angles)
        assert (steps > 0).all() or (steps < 0).all()
        assert ring[:, 0].min() < eye.iris[0, 0] < ring[:, 0].max()


def test_the_same_frame_has_the_same_landmarks(still: Points) -> None:
    assert np.array_equal(settled(STILL), still)
