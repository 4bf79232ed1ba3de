"""Stick figures."""

import numpy as np
import pytest

from gpu_tasks.performance_cloning.skeleton import (
    MIN_SCORE,
    Keypoints,
    align_keypoints,
    draw_figure,
)

PLACES = [
    (200, 60),
    (210, 50),
    (190, 50),
    (220, 55),
    (180, 55),
    (240, 120),
    (160, 120),
    (260, 190),
    (140, 190),
    (270, 250),
    (130, 250),
    (225, 260),
    (175, 260),
    (225, 330),
    (175, 330),
    (225, 395),
    (175, 395),
]
"""A person who stands before us, in COCO's order: the left side is on our right."""


def person(scores: float = 1.0) -> Keypoints:
    return np.array([(*position, scores) for position in PLACES], np.float32)


def colour_at(picture: np.ndarray, start: int, end: int) -> tuple[int, ...]:
    x, y = (np.array(PLACES[start]) + PLACES[end]) // 2
    return tuple(int(item) for item in picture[y, x])


def test_limbs_have_openposes_colours():
    picture = draw_figure(person(), 400, 400)
    assert picture.shape == (400, 400, 3)
    assert colour_at(picture, 6, 8) == (153, 102, 0)  # the right upper arm
    assert colour_at(picture, 5, 7) == (102, 153, 0)  # the left one
    assert colour_at(picture, 12, 14) == (0, 153, 51)  # the right thigh
    assert colour_at(picture, 11, 13) == (0, 102, 153)  # the left one
    assert tuple(picture[60, 200]) == (255, 0, 0)  # the nose
    assert tuple(picture[120, 200]) == (255, 85, 0)  # the neck, between the shoulders


def test_what_is_not_seen_is_not_drawn():
    hidden = person()
    hidden[[8, 10], 2] = MIN_SCORE - 0.01
    picture = draw_figure(hidden, 400, 400)
    assert colour_at(picture, 6, 8) == (0, 0, 0)
    assert colour_at(picture, 8, 10) == (0, 0, 0)
    assert colour_at(picture, 5, 7) != (0, 0, 0)
    assert not draw_figure(person(0.0), 400, 400).any()
    at_the_limit = person(MIN_SCORE)
    assert draw_figure(at_the_limit, 400, 400).any()


@pytest.mark.parametrize(("other", "visible"), [(0.1, True), (-0.1, False)])
def test_the_neck_is_as_sure_as_both_shoulders_together(other: float, visible: bool):
    half = person()
    half[5, 2], half[6, 2] = MIN_SCORE - 0.05, MIN_SCORE + other
    assert draw_figure(half, 400, 400)[120, 200].any() == visible


def test_a_figure_may_leave_the_picture():
    assert draw_figure(person() + np.array([300, -40, 0], np.float32), 400, 400).shape == (
        400,
        400,
        3,
    )


def test_limbs_are_thicker_in_larger_pictures():
    small, large = draw_figure(person(), 400, 400), draw_figure(person(), 1600, 1600)
    assert (large[185:200] > 0).sum() > 3 * (small[185:200] > 0).sum()


def test_a_performer_is_laid_over_the_sitter():
    goal = person()
    goal[:, :2] = person()[:, :2] * 0.5 + np.array([30, 80])
    assert align_keypoints(person(), person(), goal) == pytest.approx(goal, abs=1e-3)


def test_how_the_performer_moves_is_kept_and_scaled():
    goal = person()
    goal[:, :2] *= 0.5
    raised = person()
    raised[10, :2] += (0, -80)
    moved = align_keypoints(raised, person(), goal) - align_keypoints(person(), person(), goal)
    assert moved[10] == pytest.approx([0, -40, 0], abs=1e-3)
    assert np.abs(np.delete(moved, 10, axis=0)).max() < 1e-3


def test_only_what_is_seen_of_both_is_compared():
    goal = person()
    goal[5:, :2] = 0
    goal[5:, 2] = 0
    assert align_keypoints(person(), person(), goal) == pytest.approx(person(), abs=1e-3)


def test_with_too_little_to_compare_nothing_is_moved():
    goal = person(0.0)
    goal[0] = (10, 10, 1)
    assert align_keypoints(person(), person(), goal) is not None
    assert (align_keypoints(person(), person(), goal) == person()).all()
