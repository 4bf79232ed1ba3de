"""Pictures bent by the landmarks of their face, and eyes closed."""

import numpy as np
import pytest

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import detect_irises
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import to_pixels
from gpu_tasks.performance_cloning.eyelids import close_eyes
from gpu_tasks.performance_cloning.head_motion import (
    INFLUENCE,
    MAX_GROWTH,
    MAX_SHIFT,
    MAX_TURN,
    bend_head,
    fit_similarity,
)
from tests.gpu_tasks.performance_cloning.acting import face, landmarks

MIDDLE = 120 + 100j


def tilted(degrees: float) -> complex:
    return complex(np.exp(1j * np.deg2rad(degrees)))


def seen(before: Points, frame: Frame) -> tuple[complex, complex]:
    """How the face in a frame is turned about the middle, and shifted from it."""
    turn, way = fit_similarity(to_pixels(before), to_pixels(landmarks(frame)))
    return turn, turn * MIDDLE + way - MIDDLE


def test_a_head_that_stays_leaves_the_picture_as_it_is():
    frame, points = face()
    assert (bend_head(frame, points, 1, 0, MIDDLE) == frame).all()


@pytest.mark.parametrize("shift", [8, -5 + 4j, -6j])
def test_a_face_is_brought_where_it_shall_be(shift: complex):
    frame, points = face()
    way = to_pixels(landmarks(bend_head(frame, points, 1, shift, MIDDLE))) - to_pixels(points)
    assert np.median(way.real) == pytest.approx(shift.real, abs=1)
    assert np.median(way.imag) == pytest.approx(shift.imag, abs=1)


def test_what_is_far_from_the_face_stays():
    frame, points = face()
    small = points.copy()
    small[:, :2] = (points[:, :2] - 120) * 0.3 + 120
    moved = bend_head(frame, small, 1, 6 + 3j, MIDDLE)
    width = np.ptp(small[:, 0])
    low = (small[:, :2].min(axis=0) - INFLUENCE * width - 2).astype(int)
    high = (small[:, :2].max(axis=0) + INFLUENCE * width + 10).astype(int)
    outside = np.ones(frame.shape[:2], bool)
    outside[low[1] : high[1], low[0] : high[0]] = False
    assert outside.any()
    assert (moved == frame)[outside].all()


def test_columns_and_rows_stay_in_order():
    """A ramp that is bent stays a ramp: nothing folds over."""
    _, points = face()
    ramp = np.tile(np.arange(240, dtype=np.uint8)[None, :, None], (200, 1, 3))
    moved = bend_head(ramp, points, 1, 12, MIDDLE).astype(int)
    assert np.diff(moved[..., 0], axis=1).min() >= -1


def test_a_face_out_of_the_picture_bends_nothing():
    frame, points = face()
    assert bend_head(frame, points + np.array([5000, 0, 0], np.float32), 1, 5, MIDDLE) is frame


def test_a_head_that_is_turned_and_nearer_is_seen_so():
    frame, points = face()
    turn, _ = seen(points, bend_head(frame, points, 1.05 * tilted(8), 3 - 2j, MIDDLE))
    assert np.degrees(np.angle(turn)) == pytest.approx(8, abs=1.5)
    assert abs(turn) == pytest.approx(1.05, abs=0.03)


def test_large_movements_are_limited():
    frame, points = face()
    eyes = float(np.linalg.norm(points[33, :2] - points[263, :2]))
    turn, _ = seen(points, bend_head(frame, points, 3 * tilted(80), 0, MIDDLE))
    assert 0.7 * MAX_TURN < np.angle(turn) < 1.1 * MAX_TURN
    assert 1 < abs(turn) < 1.1 * (1 + MAX_GROWTH)
    _, shift = seen(points, bend_head(frame, points, 1, 900, MIDDLE))
    assert 0.7 * MAX_SHIFT * eyes < abs(shift) < 1.1 * MAX_SHIFT * eyes


def openness(share: tuple[float, float]) -> tuple[float, float]:
    frame, points = face()
    right, left = detect_irises(close_eyes(frame, points, share), points)
    return right.openness, left.openness


def test_eyes_close_by_as_much_as_is_asked():
    wide, half, shut = (openness((share, share)) for share in (0.0, 0.5, 1.0))
    for eye in (0, 1):
        assert wide[eye] > 1.1 * half[eye] > 1.1 * 1.1 * shut[eye]


def test_one_eye_winks():
    wide, wink = openness((0.0, 0.0)), openness((1.0, 0.0))
    assert wink[0] < 0.8 * wide[0]
    assert wink[1] == wide[1]


def test_open_eyes_are_not_touched_and_the_rest_never_is():
    frame, points = face()
    assert close_eyes(frame, points, (0.0, 0.0)) is frame
    changes = (close_eyes(frame, points, (1.0, 1.0)) != frame).any(axis=2)
    rows = np.flatnonzero(changes.any(axis=1))
    assert rows.min() >= points[[105, 334], 1].min() - 8
    assert rows.max() <= points[4, 1]  # the tip of the nose


def test_eyes_too_small_are_left_alone():
    frame, points = face()
    assert close_eyes(frame, points * 0.05, (1.0, 1.0)) is frame
