from dataclasses import replace

import numpy as np
import pytest

from gpu_tasks.gaze_redirection.gaze import (
    AWAY_DEGREES,
    CLOSED,
    CLOSED_EYE_CONTRAST,
    FACING_DEGREES,
    GAIN,
    MAX_SHIFT,
    MIN_EYE_PIXELS,
    OPEN,
    OPEN_EYE_CONTRAST,
    compute_gaze,
)
from gpu_tasks.mediakit.faces.iris import INNER, OUTER, Eye
from gpu_tasks.mediakit.faces.pose import fit_pose
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, RIGHT_EYE
from tests.gpu_tasks.gaze_redirection.people import CENTRE, SIZE, looks, person
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene
from tests.gpu_tasks.mediakit.faces.test_pose import head, turn


def contour_of(rim: np.ndarray, openness: float) -> np.ndarray:
    """71 points whose lids are as far apart as asked for."""
    outer, inner = rim[OUTER], rim[INNER]
    along = np.linspace(0, 1, 9)[:, None]
    line = outer + (inner - outer) * along
    width = np.linalg.norm(inner - outer)
    bulge = np.array([0, 1]) * np.sin(np.pi * along) * openness * width / 2
    contour = np.zeros((71, 2), np.float32)
    contour[:9] = line + bulge
    contour[9:16] = (line - bulge)[1:8]
    return contour


def eyes(points: np.ndarray, openness: float = 0.4) -> list[Eye]:
    """Eyes of a mesh whose irises are in the middle between the corners."""
    output = []
    for ring in (RIGHT_EYE, LEFT_EYE):
        rim = points[list(ring), :2]
        middle = rim[[OUTER, INNER]].mean(axis=0)
        edge = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * 5
        output.append(Eye(contour_of(rim, openness), (middle + edge).astype(np.float32), rim))
    return output


def moved(output: list[Eye], x: float, y: float) -> list[Eye]:
    return [replace(eye, iris=eye.iris + np.array([x, y], np.float32)) for eye in output]


def test_a_shift_is_what_the_eyes_lack():
    points = head(turn())
    straight = compute_gaze(points, eyes(points))
    aside = compute_gaze(points, moved(eyes(points), 3, -2))
    widths = np.mean([eye.width for eye in eyes(points)])
    lacking = (straight.shift - aside.shift) * widths / GAIN
    assert lacking == pytest.approx([3, -2], abs=0.1)


def test_eyes_of_a_turned_head_must_turn_back():
    right, left = (compute_gaze(head(turn(yaw)), eyes(head(turn(yaw)))) for yaw in (-15, 15))
    straight = compute_gaze(head(turn()), eyes(head(turn())))
    assert right.shift[0] < straight.shift[0] < left.shift[0]
    backward = fit_pose(head(turn(15))).rotation[0, 2]
    assert backward > 0


def test_the_shift_does_not_grow_with_the_picture():
    small, large = head(turn(), 60), head(turn(), 240)
    assert compute_gaze(small, eyes(small)).shift == pytest.approx(
        compute_gaze(large, eyes(large)).shift, abs=1e-4
    )


def test_no_eye_is_moved_too_far():
    points = head(turn())
    far = compute_gaze(points, moved(eyes(points), 30, 0))
    assert np.linalg.norm(far.shift) == pytest.approx(MAX_SHIFT)
    assert far.shift[0] < 0


@pytest.mark.parametrize(
    ("degrees", "strength"),
    [(0, 1.0), (FACING_DEGREES - 0.5, 1.0), (AWAY_DEGREES - 5, None), (AWAY_DEGREES + 0.5, 0.0)],
)
def test_heads_that_turn_away_are_left_alone_by_and_by(degrees: float, strength: float | None):
    points = head(turn(yaw=degrees))
    result = compute_gaze(points, eyes(points, 0.6)).strength
    assert result == strength if strength is not None else 0 < result < 0.5


@pytest.mark.parametrize(
    ("openness", "strength"),
    [(OPEN + 0.03, 1.0), ((OPEN + CLOSED) / 2, None), (CLOSED - 0.02, 0.0)],
)
def test_blinks_are_left_alone_by_and_by(openness: float, strength: float | None):
    points = head(turn())
    result = compute_gaze(points, eyes(points, openness)).strength
    assert result == strength if strength is not None else 0.1 < result < 0.9


def test_one_eye_that_is_shut_stops_both():
    points = head(turn())
    right, _ = eyes(points)
    _, left = eyes(points, 0.02)
    assert compute_gaze(points, [right, left]).strength == 0


@pytest.mark.parametrize(
    ("contrast", "strength"),
    [
        (OPEN_EYE_CONTRAST, 1.0),
        ((OPEN_EYE_CONTRAST + CLOSED_EYE_CONTRAST) / 2, 0.5),
        (CLOSED_EYE_CONTRAST, 0.0),
    ],
)
def test_irises_that_are_not_seen_are_left_alone(contrast: float, strength: float):
    points = head(turn())
    seen = [replace(eye, contrast=contrast) for eye in eyes(points)]
    assert compute_gaze(points, seen).strength == pytest.approx(strength, abs=1e-6)


@pytest.mark.parametrize(("pixels", "strength"), [(1.05, 1.0), (0.95, 0.0)])
def test_eyes_too_small_are_left_alone(pixels: float, strength: float):
    unit = np.mean([eye.width for eye in eyes(head(turn(), 100))]) / 100
    points = head(turn(), MIN_EYE_PIXELS * pixels / unit)
    narrowest = min(eye.width for eye in eyes(points))
    assert compute_gaze(points, eyes(points)).strength == (
        1.0 if narrowest >= MIN_EYE_PIXELS else 0.0
    )
    assert (narrowest > MIN_EYE_PIXELS) == (strength == 1.0)


def test_the_portrait_looks_at_the_camera():
    assert np.linalg.norm(looks(scene(CENTRE, **SIZE)).shift) < 0.06


@pytest.mark.parametrize("degrees", [-15, 15])
def test_a_tilted_portrait_looks_at_the_camera_too(degrees: float):
    position = Place(x=200, y=175, side=220, degrees=degrees)
    assert np.linalg.norm(looks(scene(position, **SIZE)).shift) < 0.08


@pytest.mark.parametrize(
    ("x", "y", "seen"), [(0.12, 0, 0.6), (-0.12, 0, 0.6), (0, 0.1, 0.2), (0, -0.08, 0.4)]
)
def test_who_looks_away_must_look_back(x: float, y: float, seen: float):
    """Where lids do not follow, looks up and down are seen in part only."""
    shift = looks(person(x, y)).shift - looks(person(0, 0)).shift
    request = -np.array([x, y])
    assert seen * (request @ request) < shift @ request < 1.2 * (request @ request)
    assert abs(shift @ request[::-1]) < 0.05 * np.linalg.norm(request)
