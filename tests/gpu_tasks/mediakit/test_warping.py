"""Columns stretched between knots."""

import numpy as np
import pytest

from gpu_tasks.mediakit.warping import Axes, Part, fading, stretched


def knots(*pairs: tuple[float, float]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.array([start], np.float32), np.array([goal], np.float32)) for start, goal in pairs]


def test_a_knot_is_taken_from_where_it_was():
    moved = knots((0, 0), (10, 14), (20, 20))
    v = np.float32([-5, 0, 7, 14, 17, 20, 30])
    assert stretched(v, moved).tolist() == pytest.approx([-5, 0, 5, 10, 15, 20, 30])


def test_knots_that_coincide_leave_nothing_between_them():
    closed = knots((0, 0), (8, 10), (12, 10), (20, 20))
    v = np.float32([9.99, 10.01])
    assert stretched(v, closed).tolist() == pytest.approx([8, 12], abs=0.02)


def test_columns_stay_in_order():
    moved = knots((0, 0), (5, 9), (12, 10), (20, 20))
    taken = stretched(np.linspace(-2, 22, 200, dtype=np.float32), moved)
    assert (np.diff(taken) >= 0).all()


def test_axes_there_and_back():
    axes = Axes.along(np.float32([3, 4]), np.float32([9, 12]))
    assert (axes.x, axes.y) == (6, 8)
    u, v = axes.of(np.float32([9, 2]), np.float32([12, 11]))
    assert u.tolist() == pytest.approx([5, 0], abs=1e-5)
    assert v.tolist() == pytest.approx([0, 5], abs=1e-5)
    x, y = axes.to(u, v)
    assert (x.tolist(), y.tolist()) == (pytest.approx([9, 2]), pytest.approx([12, 11]))


def test_points_that_coincide_have_axes_all_the_same():
    axes = Axes.along(np.float32([3, 4]), np.float32([3, 4]))
    assert np.isfinite([axes.cos, axes.sin]).all()


def test_a_part_taken_from_itself_is_the_picture():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (40, 60, 3), np.uint8)
    axes = Axes.along(np.float32([10, 12]), np.float32([40, 25]))
    part = Part(frame, axes, (-10, 10), (-5, 8))
    assert (part.put(part.taken_from(part.u, part.v)) == frame).all()


def test_a_part_outside_the_frame_is_empty():
    frame = np.zeros((10, 10, 3), np.uint8)
    axes = Axes.along(np.float32([100, 100]), np.float32([120, 100]))
    assert Part(frame, axes, (-5, 5), (-5, 5)).is_empty


def test_fading_goes_from_one_to_nothing():
    shares = fading(np.float32([0, 1, 2, 3, 4]), 1, 3)
    assert shares.tolist() == [1, 1, 0.5, 0, 0]
