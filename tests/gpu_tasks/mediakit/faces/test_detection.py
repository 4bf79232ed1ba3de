import numpy as np
import pytest

from gpu_tasks.mediakit.faces.detection import MIN_SQUARE, Face, detect_faces
from tests.gpu_tasks.mediakit.faces.portrait import LEFT_PUPIL, RIGHT_PUPIL, Place, scene


def eyes_error(face: Face, position: Place) -> float:
    """How far the detected eyes are from the true ones, as a share of the face."""
    truth = position.of([RIGHT_PUPIL, LEFT_PUPIL])
    return float(np.linalg.norm(face.keypoints[:2] - truth, axis=1).max() / position.side)


@pytest.mark.parametrize(
    "position",
    [
        Place(x=240, y=180, side=200),
        Place(x=120, y=230, side=120),
        Place(x=240, y=180, side=150, degrees=25),
        Place(x=240, y=180, side=150, degrees=-25),
        Place(x=300, y=150, side=60),
    ],
)
def test_a_face_is_found_where_it_is(position: Place) -> None:
    (face,) = detect_faces(scene(position))
    assert eyes_error(face, position) < 0.08
    assert face.left < position.x < face.right
    assert face.top < position.y < face.bottom
    assert 0.5 * position.side < face.bottom - face.top < 1.5 * position.side


@pytest.mark.parametrize(
    ("position", "width", "height", "error"),
    [
        (Place(x=1500, y=300, side=70), 1920, 1080, 0.1),
        (Place(x=160, y=160, side=300), 320, 320, 0.08),
        (Place(x=180, y=500, side=110), 360, 640, 0.08),
    ],
    ids=["small in a large frame", "fills the frame", "upright film"],
)
def test_frames_of_all_shapes_are_searched(
    position: Place, width: int, height: int, error: float
) -> None:
    (face,) = detect_faces(scene(position, width=width, height=height))
    assert eyes_error(face, position) < error


def test_a_face_in_the_dark_is_found() -> None:
    position = Place(x=240, y=180, side=200)
    dark = (scene(position) * 0.15).astype(np.uint8)
    (face,) = detect_faces(dark)
    assert eyes_error(face, position) < 0.08


def test_two_faces_are_found_the_larger_one_first() -> None:
    small, large = Place(x=120, y=180, side=100), Place(x=340, y=180, side=160)
    faces = detect_faces(scene(small, large))
    assert len(faces) == 2
    assert eyes_error(faces[0], large) < 0.08
    assert eyes_error(faces[1], small) < 0.08


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_plain_wall_has_no_face(shade: int) -> None:
    assert detect_faces(np.full((240, 320, 3), shade, np.uint8)) == ()


def test_noise_has_no_face() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (240, 320, 3))
    assert detect_faces(noise.astype(np.uint8)) == ()


def test_a_frame_of_the_smallest_size_can_be_searched() -> None:
    assert detect_faces(np.full((16, 16, 3), 90, np.uint8)) == ()


def test_fewer_levels_leave_small_faces_out() -> None:
    frame = scene(Place(x=1500, y=300, side=70), width=1920, height=1080)
    assert detect_faces(frame, levels=1) == ()
    assert MIN_SQUARE < 1080 / 4


def test_the_same_frame_has_the_same_faces() -> None:
    frame = scene(Place(x=240, y=180, side=150))
    first, again = detect_faces(frame), detect_faces(frame)
    assert [(item.left, item.top, item.score) for item in first] == [
        (item.left, item.top, item.score) for item in again
    ]


def test_the_overlap_is_of_the_smaller_box() -> None:
    nowhere = np.zeros((6, 2), np.float32)
    large = Face(0, 0, 10, 10, 1.0, nowhere)
    assert large.overlap(Face(5, 5, 9, 9, 1.0, nowhere)) == 1.0
    assert large.overlap(Face(8, 0, 12, 10, 1.0, nowhere)) == 0.5
    assert large.overlap(Face(20, 0, 30, 10, 1.0, nowhere)) == 0.0
    assert large.overlap(Face(5, 5, 5, 9, 1.0, nowhere)) == 0.0
