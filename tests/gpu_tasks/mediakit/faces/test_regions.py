import cv2
import numpy as np
import pytest

from gpu_tasks.mediakit.faces import regions
from gpu_tasks.mediakit.faces.regions import build_triangles, load_mean_face

RINGS = {
    "oval": regions.OVAL,
    "outer lips": regions.OUTER_LIPS,
    "inner lips": regions.INNER_LIPS,
    "right eye": regions.RIGHT_EYE,
    "left eye": regions.LEFT_EYE,
    "right brow": regions.RIGHT_BROW,
    "left brow": regions.LEFT_BROW,
}


def outline(ring: tuple[int, ...]) -> np.ndarray:
    return (load_mean_face()[list(ring), :2] * 1000).astype(np.float32)


def area(ring: tuple[int, ...]) -> float:
    return float(cv2.contourArea(outline(ring)))


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS.keys())
def test_the_rings_go_around_once(ring: tuple[int, ...]) -> None:
    assert len(set(ring)) == len(ring)
    hull = cv2.contourArea(cv2.convexHull(outline(ring)))
    assert 0.5 * hull < area(ring) <= hull


def test_everything_is_inside_the_oval() -> None:
    oval = outline(regions.OVAL)
    other_items = [point for name, ring in RINGS.items() if name != "oval" for point in ring]
    for point in load_mean_face()[[*other_items, *regions.NOSE], :2] * 1000:
        assert cv2.pointPolygonTest(oval, (float(point[0]), float(point[1])), False) > 0


def test_the_mouth_opens_inside_the_lips() -> None:
    lips = outline(regions.OUTER_LIPS)
    for x, y in outline(regions.INNER_LIPS):
        assert cv2.pointPolygonTest(lips, (float(x), float(y)), False) > 0


def test_brows_are_above_eyes_and_the_right_is_on_our_left() -> None:
    face = load_mean_face()
    for brow, eye in (
        (regions.RIGHT_BROW, regions.RIGHT_EYE),
        (regions.LEFT_BROW, regions.LEFT_EYE),
    ):
        assert face[list(brow), 1].max() < face[list(eye), 1].min()
    assert face[list(regions.RIGHT_EYE), 0].max() < 0 < face[list(regions.LEFT_EYE), 0].min()


def test_the_nose_is_towards_us() -> None:
    face = load_mean_face()
    assert face[:, 2].argmin() in regions.NOSE


def test_the_mean_face_is_nearly_symmetric() -> None:
    face = load_mean_face()
    distances = np.linalg.norm((face * [-1, 1, 1])[:, None] - face[None], axis=-1).min(axis=1)
    assert distances.max() < 0.06


def test_the_mean_face_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_mean_face()[0, 0] = 1


def test_the_triangles_cover_the_face_once() -> None:
    flat = load_mean_face()[:, :2].astype(float)
    corners = flat[build_triangles()]
    sides = corners[:, 1:] - corners[:, :1]
    areas = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
    hull = cv2.contourArea(cv2.convexHull(flat.astype(np.float32)))
    assert areas.sum() == pytest.approx(hull, rel=0.02)
    assert set(build_triangles().ravel()) == set(range(468))
