import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.detection import detect_faces
from gpu_tasks.mediakit.faces.mesh import detect_landmarks
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE, load_mean_face
from gpu_tasks.mediakit.faces.restoration import (
    ALIGNED_LEFT_EYE,
    ALIGNED_MOUTH,
    ALIGNED_RIGHT_EYE,
    BATCH,
    FEATHER,
    SIDE,
    FaceRestorer,
    blend_face,
    build_alignment,
)
from gpu_tasks.mediakit.film import Frame
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene

pytestmark = pytest.mark.torch

PLACE = Place(x=240, y=180, side=200, degrees=12)


class Network:
    """A network of a single rule, that remembers what it has been shown."""

    def __init__(self, rule):
        self.rule = rule
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pictures):
        assert pictures.is_contiguous()
        assert pictures.dtype == torch.float32
        assert pictures.min() >= -1
        assert pictures.max() <= 1
        self.shapes.append(tuple(pictures.shape))
        return self.rule(pictures)


@pytest.fixture(scope="module")
def frame() -> Frame:
    return scene(PLACE)


@pytest.fixture(scope="module")
def points(frame: Frame) -> Points:
    return detect_landmarks(frame, detect_faces(frame)[0])


def restorer(rule) -> FaceRestorer:
    return FaceRestorer(Network(rule), "cpu")


def test_eyes_and_mouth_come_to_their_places(points: Points):
    matrix = build_alignment(points)
    for ring, expected in (
        (RIGHT_EYE, ALIGNED_RIGHT_EYE),
        (LEFT_EYE, ALIGNED_LEFT_EYE),
        (OUTER_LIPS, ALIGNED_MOUTH),
    ):
        seen = matrix[:, :2] @ points[list(ring), :2].mean(axis=0) + matrix[:, 2]
        assert np.linalg.norm(seen - expected) < 0.04 * SIDE


def test_the_alignment_shears_nothing(points: Points):
    turn = build_alignment(points)[:, :2]
    assert turn.T @ turn == pytest.approx(np.linalg.det(turn) * np.eye(2), abs=1e-9)
    assert np.linalg.det(turn) > 0


def test_a_network_that_changes_nothing_changes_nearly_nothing(frame: Frame, points: Points):
    (same,) = restorer(lambda pictures: pictures).restore([frame], [points])
    difference = np.abs(same.astype(int) - frame)
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99) < 12


def test_only_the_region_is_redrawn(frame: Frame, points: Points):
    (white,) = restorer(torch.ones_like).restore([frame], [points])
    changed = np.abs(white.astype(int) - frame).max(axis=-1)
    left, top = points[list(OVAL), :2].min(axis=0)
    right, bottom = points[list(OVAL), :2].max(axis=0)
    x, y = points[1, :2].round().astype(int)
    assert (white[y, x] > 250).all()
    # The feathered edge reaches a little beyond.
    reach = 0.35 * (right - left)
    outside = np.ones(changed.shape, bool)
    outside[int(top - reach) : int(bottom + reach), int(left - reach) : int(right + reach)] = False
    assert changed[outside].max() == 0


def test_the_share_says_how_much(frame: Frame, points: Points):
    x, y = points[1, :2].round().astype(int)
    (half,) = restorer(torch.ones_like).restore([frame], [points], share=0.5)
    assert half[y, x] == pytest.approx((255 + frame[y, x].astype(float)) / 2, abs=2)
    (none,) = restorer(torch.ones_like).restore([frame], [points], share=0.0)
    assert np.array_equal(none, frame)


def test_a_small_region_leaves_the_rest(frame: Frame, points: Points):
    eyes = (*RIGHT_EYE, *LEFT_EYE)
    (white,) = restorer(torch.ones_like).restore([frame], [points], region=eyes)
    x, y = points[list(OUTER_LIPS), :2].mean(axis=0).round().astype(int)
    assert np.array_equal(white[y, x], frame[y, x])


def test_what_the_network_gives_beyond_white_and_black_is_cut(frame: Frame, points: Points):
    (dark,) = restorer(lambda pictures: pictures * 0 - 7).restore([frame], [points])
    x, y = points[1, :2].round().astype(int)
    assert (dark[y, x] < 5).all()


@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1])
def test_frames_are_shown_in_batches(frame: Frame, points: Points, count: int):
    network = Network(lambda pictures: pictures)
    item = FaceRestorer(network, "cpu")
    assert len(item.restore([frame] * count, [points] * count)) == count
    assert sum(shape[0] for shape in network.shapes) == count
    assert all(shape[0] <= BATCH and shape[1:] == (3, SIDE, SIDE) for shape in network.shapes)


def test_the_given_frames_are_left_alone(frame: Frame, points: Points):
    before = frame.copy()
    restorer(torch.ones_like).restore([frame], [points])
    assert np.array_equal(frame, before)


def test_a_face_that_hangs_over_the_edge_is_restored_as_far_as_it_is_there():
    position = Place(x=70, y=150, side=180)
    half = scene(position)
    (white,) = restorer(torch.ones_like).restore(
        [half], [detect_landmarks(half, detect_faces(half)[0])]
    )
    assert white.shape == half.shape
    assert (white[170, 70] > 250).all()


def blended_as_a_whole(
    frame: Frame, face: Frame, matrix: NDArray[np.float64], region: Points, share: float
) -> NDArray[np.float64]:
    """Blend over the whole frame with the full feather and fractional values."""
    hull = cv2.convexHull((region @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))
    mask = np.zeros((SIDE, SIDE))
    cv2.fillConvexPoly(mask, hull.round().astype(np.int32), (share,))
    feathered = cv2.GaussianBlur(mask, (0, 0), FEATHER * SIDE)
    size, flags = frame.shape[1::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(face.astype(float), matrix, size, flags=flags)
    weight = cv2.warpAffine(feathered, matrix, size, flags=flags)[..., None]
    return laid * weight + frame * (1 - weight)


def smooth(random: np.random.Generator, width: int, height: int) -> Frame:
    few = random.integers(0, 256, (9, 9, 3), np.uint8)
    return np.asarray(cv2.resize(few, (width, height)), np.uint8)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "region", [OVAL, OVAL[9:28], (*RIGHT_EYE, *LEFT_EYE)], ids=["oval", "jaw", "eyes"]
)
def test_working_on_the_region_alone_changes_no_pixel(seed: int, region: tuple[int, ...]):
    random = np.random.default_rng(seed)
    frame, face = smooth(random, 320, 240), smooth(random, SIDE, SIDE)
    angle = random.uniform(-0.6, 0.6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = random.uniform((-80, -80), (400, 320))  # also beyond the edges of the frame
    points = load_mean_face()[:, :2] * random.uniform(20, 300) @ turn.T + middle
    matrix = build_alignment(points)
    share = random.uniform(0.2, 1)
    output = blend_face(frame, face, matrix, points[list(region)], share)
    expected = blended_as_a_whole(frame, face, matrix, points[list(region)], share)
    assert np.abs(output - expected).max() < 1.5
