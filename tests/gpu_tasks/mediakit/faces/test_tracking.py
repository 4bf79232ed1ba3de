from collections.abc import Iterable

import numpy as np
import pytest

from gpu_tasks.mediakit.faces.tracking import BYSTANDER, FaceTracker, SeveralFaces, TrackedFace
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from tests.gpu_tasks.mediakit.faces.portrait import LEFT_PUPIL, RIGHT_PUPIL, Place, scene

RATE = 25.0
WALL = np.full((360, 480, 3), 140, np.uint8)
CENTRE = Place(x=240, y=180, side=180)


def followed(
    frames: Iterable[Frame], several: SeveralFaces = SeveralFaces.LARGEST
) -> tuple[FaceTracker, list[TrackedFace | None]]:
    tracker = FaceTracker(frame_rate=RATE, several=several)
    return tracker, [tracker.follow(frame) for frame in frames]


def eyes(tracked: TrackedFace) -> np.ndarray:
    """Return the middles of both eyes."""
    points = tracked.points[:, :2]
    return np.stack([points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0)])


def error(tracked: TrackedFace, position: Place) -> float:
    return float(
        np.linalg.norm(eyes(tracked) - position.of([RIGHT_PUPIL, LEFT_PUPIL]), axis=1).max()
    )


def test_a_moving_face_is_followed() -> None:
    places = [Place(x=140 + 6 * n, y=180 + 2 * n, side=150 + n, degrees=1.5 * n) for n in range(20)]
    tracker, tracked = followed(map(scene, places))
    assert tracker.share_with_face == 1.0
    assert tracker.most_faces == 1
    for item, position in zip(tracked, places, strict=True):
        assert error(item, position) < 0.08 * position.side


def test_a_still_face_in_noise_trembles_less_than_its_meshes() -> None:
    generator = np.random.default_rng(5)
    still = scene(CENTRE).astype(float)
    noisy = [
        np.clip(still + generator.normal(0, 12, still.shape), 0, 255).astype(np.uint8)
        for _ in range(12)
    ]
    _, tracked = followed(noisy)
    smoothed = np.array([item.points[:, :2] for item in tracked])[3:]
    raw = np.array([followed([frame])[1][0].points[:, :2] for frame in noisy])[3:]
    assert np.diff(smoothed, axis=0).std() < 0.6 * np.diff(raw, axis=0).std()


def test_frames_without_a_face_are_reported() -> None:
    visible = scene(CENTRE)
    tracker, tracked = followed([WALL, visible, visible, WALL, WALL, visible])
    assert [item is not None for item in tracked] == [False, True, True, False, False, True]
    assert [item.is_new for item in tracked if item] == [True, False, True]
    assert (tracker.frames, tracker.frames_with_face) == (6, 3)
    assert tracker.share_with_face == 0.5


def test_a_film_without_a_face_has_none() -> None:
    tracker, tracked = followed([WALL] * 14)
    assert tracked == [None] * 14
    assert tracker.share_with_face == 0.0
    assert tracker.most_faces == 0


def test_before_the_first_frame_there_is_nothing() -> None:
    assert FaceTracker(frame_rate=RATE).share_with_face == 0.0


def test_a_cut_to_another_place_is_followed_at_once() -> None:
    elsewhere = Place(x=120, y=120, side=110)
    _, tracked = followed([scene(CENTRE)] * 3 + [scene(elsewhere)] * 2)
    assert error(tracked[3], elsewhere) < 0.08 * elsewhere.side
    assert [item.is_new for item in tracked] == [True, False, False, True, False]


def test_of_two_faces_the_largest_is_followed() -> None:
    small = Place(x=100, y=180, side=110)
    large = Place(x=330, y=180, side=170)
    tracker, tracked = followed([scene(small, large)] * 15)
    assert tracker.most_faces == 2
    assert tracked[-1].faces == 2
    assert all(error(item, large) < 0.08 * large.side for item in tracked)


def test_the_followed_face_is_kept_when_a_larger_one_comes() -> None:
    first, larger = Place(x=110, y=180, side=120), Place(x=340, y=180, side=180)
    alone, both = scene(first), scene(first, larger)
    _, tracked = followed([alone] * 3 + [both] * 14)
    assert all(error(item, first) < 0.08 * first.side for item in tracked)


def test_two_faces_are_refused_where_that_is_asked_for() -> None:
    both = scene(Place(x=110, y=180, side=130), Place(x=340, y=180, side=150))
    with pytest.raises(EngineError) as refused:
        followed([both], SeveralFaces.REFUSE)
    assert refused.value.code is ErrorCode.INPUT_INVALID


@pytest.mark.parametrize(("share", "faces"), [(BYSTANDER * 0.8, 1), (BYSTANDER * 1.4, 2)])
def test_a_much_smaller_face_is_a_bystander(share: float, faces: int) -> None:
    large = Place(x=330, y=180, side=180)
    other = Place(x=100, y=180, side=180 * share**0.5)
    tracker, _ = followed([scene(other, large)])
    assert tracker.most_faces == faces


def test_one_face_is_not_refused() -> None:
    tracker, _ = followed([scene(CENTRE)], SeveralFaces.REFUSE)
    assert tracker.frames_with_face == 1


def test_a_face_that_turns_away_is_followed() -> None:
    places = [Place(x=240, y=180, side=180, flattened=1 - 0.03 * n) for n in range(15)]
    tracker, tracked = followed(map(scene, places))
    assert tracker.share_with_face == 1.0
    assert error(tracked[-1], places[-1]) < 0.1 * places[-1].side


def test_the_same_film_gives_the_same_landmarks() -> None:
    frames = [scene(Place(x=200 + 3 * n, y=180, side=150)) for n in range(4)]
    _, first = followed(frames)
    _, again = followed(frames)
    assert all(
        np.array_equal(item.points, two.points) for item, two in zip(first, again, strict=True)
    )
