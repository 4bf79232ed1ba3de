"""Patches of a picture around a line, and columns stretched between knots."""

import numpy as np
import pytest

from gpu_tasks.mediakit.warping import MIN_LENGTH, Patch, compute_fade, stretch

FRAME = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def patch(*ends: tuple[float, float]) -> Patch:
    """Around the line between them, as far as half its length past its ends."""
    line = np.array([complex(*end) for end in ends])
    return Patch(FRAME, line, line, 0.5)


def test_what_is_at_a_knot_is_brought_to_its_goal():
    v = np.float64([-5, 0, 7, 14, 17, 20, 30])
    is_accepted = stretch(v, [0, 10, 20], [0, 14, 20])
    assert is_accepted.tolist() == pytest.approx([-5, 0, 5, 10, 15, 20, 30])


def test_goals_that_coincide_leave_nothing_between_them():
    is_accepted = stretch(np.float64([9.99, 10.01]), [0, 8, 12, 20], [0, 10, 10, 20])
    assert is_accepted.tolist() == pytest.approx([8, 12], abs=0.02)


@pytest.mark.parametrize("goals", [[0, 9, 10, 20], [0, 12, 7, 20], [0, -3, 10, 20]])
def test_columns_stay_in_order(goals: list[float]):
    is_accepted = stretch(np.linspace(-2, 22, 200), [0, 5, 12, 20], goals)
    assert (np.diff(is_accepted) >= -1e-9).all()


def test_coordinates_there_and_back():
    line = patch((3, 4), (9, 12))
    u, v = line.to_uv(np.array([9 + 12j, 2 + 11j]))
    assert u.tolist() == pytest.approx([5, 0], abs=1e-5)
    assert v.tolist() == pytest.approx([0, 5], abs=1e-5)
    assert line.to_pixels(u, v).tolist() == pytest.approx([9 + 12j, 2 + 11j])


def test_points_that_coincide_have_coordinates_all_the_same():
    line = patch((3, 4), (3, 4))
    assert line.is_too_small
    assert np.isfinite([line.u, line.v]).all()


def test_a_patch_taken_from_itself_is_the_picture():
    tilted = patch((10, 12), (40, 25))
    assert (tilted.paste(tilted.sample(tilted.to_pixels(tilted.u, tilted.v))) == FRAME).all()


def test_a_patch_outside_the_frame_or_of_a_short_line_is_too_small():
    assert patch((100, 100), (120, 100)).is_too_small
    assert patch((10, 10), (10 + MIN_LENGTH - 0.1, 10)).is_too_small
    assert not patch((10, 10), (10 + MIN_LENGTH + 0.1, 10)).is_too_small


def test_fading_goes_from_one_to_nothing():
    shares = compute_fade(np.float64([0, 1, 2, 3, 4]), 1, 3)
    assert shares.tolist() == [1, 1, 0.5, 0, 0]
