import cv2
import numpy as np
import pytest

from gpu_tasks.mediakit.faces.limbus import REACH, Disc, refine_disc
from gpu_tasks.mediakit.film import Frame

WIDTH = 50.0
RADIUS = 11.0


def lids() -> np.ndarray:
    """Return an almond around (60, 50)."""
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    shape = np.stack([np.cos(angles) * WIDTH / 2, np.sin(angles) * WIDTH / 5], axis=1)
    return (shape + np.array([60, 50])).astype(np.float32)


def eye(x: float, y: float, iris: tuple[int, int, int] = (90, 60, 40)) -> Frame:
    """Return an eye whose iris is at a place, behind the lids."""
    skin = np.full((100, 120, 3), (210, 170, 150), np.uint8)
    ball = np.full_like(skin, (225, 215, 210))
    centre = round(x * 16), round(y * 16)
    cv2.circle(ball, centre, round(RADIUS * 16), iris, -1, cv2.LINE_AA, 4)
    cv2.circle(ball, centre, round(RADIUS * 16 * 0.4), (15, 12, 10), -1, cv2.LINE_AA, 4)
    opening = np.zeros(skin.shape[:2], np.uint8)
    cv2.fillPoly(opening, [(lids() * 16).round().astype(np.int32)], (255,), cv2.LINE_AA, 4)
    share = opening[..., None] / 255.0
    return (ball * share + skin * (1 - share)).round().astype(np.uint8)


def disc(x: float, y: float, radius: float = RADIUS) -> Disc:
    return Disc(np.array([x, y], np.float32), radius)


@pytest.mark.parametrize("iris", [(90, 60, 40), (110, 150, 180), (60, 90, 60)])
@pytest.mark.parametrize("x", [52.0, 60.0, 66.5])
def test_an_iris_of_any_colour_is_found_from_a_wrong_guess(x: float, iris: tuple[int, int, int]):
    result = refine_disc(eye(x, 49.5, iris), [lids()], WIDTH, disc(60, 51, RADIUS * 0.95))
    assert result.centre == pytest.approx([x, 49.5], abs=1.2)
    assert result.radius == pytest.approx(RADIUS, rel=0.2)


def test_the_white_of_an_eye_tells_nothing():
    plain = np.full((100, 120, 3), 200, np.uint8)
    guess = disc(57, 51)
    assert refine_disc(plain, [lids()], WIDTH, guess) == guess


def test_closed_lids_tell_nothing():
    flat = lids() * np.array([1, 0]) + np.array([0, 50])
    guess = disc(57, 51)
    assert refine_disc(eye(60, 50), [flat.astype(np.float32)], WIDTH, guess) is guess


def test_an_iris_that_is_seen_has_contrast():
    assert refine_disc(eye(60, 50), [lids()], WIDTH, disc(60, 50)).contrast > 0.4


def test_nothing_is_looked_for_too_far_away():
    result = refine_disc(eye(78, 50), [lids()], WIDTH, disc(50, 50))
    assert np.linalg.norm(result.centre - [50, 50]) <= REACH * WIDTH + 1


def test_what_one_ring_leaves_out_another_may_have():
    left = lids().copy()
    left[:, 0] = np.minimum(left[:, 0], 62)
    result = refine_disc(eye(66, 50), [left, lids()], WIDTH, disc(60, 50))
    assert result.centre == pytest.approx([66, 50], abs=1.2)
