import cv2
import numpy as np
import pytest

from gpu_tasks.gaze_redirection.warp import PUPIL, Opening, limit_shift, move_iris
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import Eye
from gpu_tasks.mediakit.film import Frame
from tests.gpu_tasks.gaze_redirection.people import CENTRE, SIZE, eyes_of, opening_of
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene


@pytest.fixture(scope="module")
def frame() -> Frame:
    return scene(CENTRE, **SIZE)


@pytest.fixture(scope="module")
def eyes(frame: Frame) -> tuple[Eye, Eye]:
    return eyes_of(frame)


def found(before: Frame, after: Frame, around: Points, radius: float) -> np.ndarray:
    """How far the middle of an iris has moved, by its looks: no network is asked."""
    x, y = around.round().astype(int)
    half, reach = int(radius * 0.6), 9
    looks = before[y - half : y + half + 1, x - half : x + half + 1]
    far = half + reach
    where = after[y - far : y + far + 1, x - far : x + far + 1]
    likeness = cv2.matchTemplate(where, looks, cv2.TM_CCOEFF_NORMED)
    _, best, _, position = cv2.minMaxLoc(likeness)
    assert best > 0.7
    return np.array(position) - reach


@pytest.mark.parametrize("shift", [(5, 0), (-5, 0), (0, 3), (3, -2)])
def test_the_pupil_moves_by_what_was_asked(
    frame: Frame, eyes: tuple[Eye, Eye], shift: tuple[float, float]
):
    for eye in eyes:
        changed = frame.copy()
        move_iris(changed, opening_of(eye), np.array(shift))
        moved = found(frame, changed, eye.iris[0], eye.radius)
        assert moved == pytest.approx(shift, abs=1.0)


def test_nothing_asked_nothing_changed(frame: Frame, eyes: tuple[Eye, Eye]):
    changed = frame.copy()
    move_iris(changed, opening_of(eyes[0]), np.zeros(2))
    assert np.array_equal(changed, frame)


def test_lids_and_skin_keep_their_very_pixels(frame: Frame, eyes: tuple[Eye, Eye]):
    changed = frame.copy()
    opening = opening_of(eyes[0])
    move_iris(changed, opening, np.array([6.0, 1.0]))
    mask = np.zeros(frame.shape[:2], np.uint8)
    for ring in opening.lids:
        cv2.fillPoly(mask, [ring.round().astype(np.int32)], (1,))
    outside = cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0
    assert np.array_equal(changed[outside], frame[outside])
    assert not np.array_equal(changed, frame)


def test_an_iris_moved_away_and_back_is_nearly_the_same(frame: Frame, eyes: tuple[Eye, Eye]):
    changed = frame.copy()
    opening = opening_of(eyes[1])
    shift = np.array([3.0, 0.0], np.float32)
    move_iris(changed, opening, shift)
    there = Opening(opening.lids, opening.iris + shift, opening.radius, opening.width)
    move_iris(changed, there, -shift)
    x, y = opening.iris.round().astype(int)
    centre = np.s_[y - 4 : y + 5, x - 4 : x + 5]
    assert np.abs(changed[centre].astype(int) - frame[centre]).mean() < 12


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_the_pupil_stays_between_the_lids(eyes: tuple[Eye, Eye], direction: tuple[int, int]):
    for eye in eyes:
        opening = opening_of(eye)
        expected = limit_shift(opening, np.array(direction) * eye.width)
        assert np.linalg.norm(expected) < eye.width / 2
        depth = max(
            cv2.pointPolygonTest(ring.reshape(-1, 1, 2), (opening.iris + expected).tolist(), True)
            for ring in opening.lids
        )
        assert depth >= PUPIL * eye.radius - 1e-3


def test_a_small_shift_is_kept_whole(eyes: tuple[Eye, Eye]):
    assert limit_shift(opening_of(eyes[0]), np.array([2.0, 0.0])) == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize("x", [-60.0, 20.0, 380.0, 460.0])
def test_eyes_over_the_edge_of_the_frame_do_no_harm(x: float, eyes: tuple[Eye, Eye]):
    frame = scene(Place(x=x, y=175, side=256), **SIZE)
    before = frame.copy()
    shift = np.array([x - CENTRE.x, 0], np.float32)
    for eye in eyes:
        opening = opening_of(eye)
        lids = tuple(ring + shift for ring in opening.lids)
        there = Opening(lids, opening.iris + shift, opening.radius, opening.width)
        move_iris(frame, there, np.array([4.0, 0.0]))
    assert frame.shape == before.shape


def test_the_same_is_done_again(frame: Frame, eyes: tuple[Eye, Eye]):
    item, two = frame.copy(), frame.copy()
    for changed in (item, two):
        move_iris(changed, opening_of(eyes[0]), np.array([4.0, -1.0]))
    assert np.array_equal(item, two)
