import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gpu_tasks.gaze_redirection.contract import (
    MAX_FRAMES,
    MAX_SECONDS,
    MIN_FACE_SHARE,
    GazeRedirectionResult,
)
from gpu_tasks.gaze_redirection.draft import DraftEngine
from gpu_tasks.gaze_redirection.gaze import GAIN
from gpu_tasks.gaze_redirection.redirection import (
    Redirector,
    check_length,
    limit_frames,
    limit_rate,
)
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.film import Film, Frame
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from tests.gpu_tasks.films import turned
from tests.gpu_tasks.gaze_redirection.people import (
    CENTRE,
    RATE,
    SIZE,
    eyes_of,
    frames_of,
    looks,
    person,
    tone,
    write_film,
)
from tests.gpu_tasks.gaze_redirection.runs import run
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene

ASIDE = 0.15
WALL = np.full((SIZE["height"], SIZE["width"], 3), 140, np.uint8)


@pytest.fixture(scope="module")
def away() -> Frame:
    """Somebody who looks to our right."""
    return person(ASIDE, 0)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, away: Frame) -> Path:
    """Return a still second of them, with a tone."""
    folder = tmp_path_factory.mktemp("films")
    return write_film(folder / "away.mp4", [away] * 25, sound=tone(folder, 1.0))


@pytest.fixture(scope="module")
def redirected(
    tmp_path_factory: pytest.TempPathFactory, second: Path
) -> tuple[GazeRedirectionResult, Path]:
    return run(DraftEngine(), tmp_path_factory.mktemp("run"), second)


def test_the_eyes_look_at_the_camera_afterwards(
    redirected: tuple[GazeRedirectionResult, Path], second: Path
):
    before, after = frames_of(second)[12], frames_of(redirected[1])[12]
    width = np.mean([eye.width for eye in eyes_of(before)])
    request, left = looks(before).shift * width, looks(after).shift * width
    assert abs(request[0]) > 4
    assert abs(left[0]) < max(1.0, 0.15 * abs(request[0]))
    # Up and down, lids hide half of what would be measured.
    assert abs(left[1]) < 2.0


def test_the_irises_moved_by_what_is_reported(
    redirected: tuple[GazeRedirectionResult, Path], second: Path
):
    result, film = redirected
    before, after = (eyes_of(frames_of(item)[12]) for item in (second, film))
    moved = [
        np.linalg.norm(new.iris[0] - old.iris[0]) for old, new in zip(before, after, strict=True)
    ]
    # What is measured is too little, by what the shift has been enlarged by.
    assert np.mean(moved) * GAIN == pytest.approx(result.mean_shift_px, abs=1.2)


def test_frames_time_and_sound_are_kept(redirected: tuple[GazeRedirectionResult, Path]):
    result, film = redirected
    assert result.frames == result.frames_with_face == result.frames_redirected == 25
    assert (result.duration_ms, result.frame_rate) == (1000, 25.0)
    assert (result.width, result.height, result.faces) == (SIZE["width"], SIZE["height"], 1)
    with av.open(film) as container:
        assert container.streams.video[0].frames == 25
        (sound,) = container.streams.audio
        seconds = float(sound.duration * sound.time_base)
    assert seconds == pytest.approx(1.0, abs=0.06)


def test_the_pupils_stay_between_the_lids(redirected: tuple[GazeRedirectionResult, Path]):
    for eye in eyes_of(frames_of(redirected[1])[12]):
        ring = eye.rim.reshape(-1, 1, 2)
        assert cv2.pointPolygonTest(ring, eye.iris[0].tolist(), True) > 0.2 * eye.radius


def test_the_eyes_tremble_no_more_than_before(away: Frame):
    generator = np.random.default_rng(11)
    redirector = Redirector(float(RATE))
    before, after = [], []
    for _ in range(16):
        frame = np.clip(away + generator.normal(0, 6, away.shape), 0, 255).astype(np.uint8)
        before.append(frame.copy())
        after.append(redirector.redirect(frame).frame)
    places = [eye.iris[0] for eye in eyes_of(away)]
    # The first frames settle.
    assert trembling(after[4:], places) < trembling(before[4:], places) + 0.1


def trembling(frames: list[Frame], places: list[Points]) -> float:
    """How far what is around the places moves from frame to frame, in pixels: by its looks."""
    moved = []
    for x, y in np.round(places).astype(int):
        patches = [
            cv2.cvtColor(frame[y - 16 : y + 16, x - 20 : x + 20], cv2.COLOR_RGB2GRAY)
            for frame in frames
        ]
        window = cv2.createHanningWindow((40, 32), cv2.CV_32F)
        for item, two in itertools.pairwise(np.array(patches, np.float32)):
            moved.append(np.linalg.norm(cv2.phaseCorrelate(item, two, window)[0]))
    return float(np.mean(moved))


def test_somebody_who_looks_at_us_is_hardly_changed():
    frame = scene(CENTRE, **SIZE)
    redirector = Redirector(float(RATE))
    redirector.redirect(frame.copy())
    assert redirector.shifts[0] < 3.0


def test_a_blink_is_left_alone(away: Frame):
    shut = with_shut_eyes(away)
    redirector = Redirector(float(RATE))
    for frame in [away] * 3:
        redirector.redirect(frame.copy())
    for _ in range(3):
        left = redirector.redirect(shut.copy())
    assert left.points is None
    assert np.array_equal(left.frame, shut)
    again = redirector.redirect(away.copy())
    assert not np.array_equal(again.frame, away)


def with_shut_eyes(frame: Frame) -> Frame:
    """Skin grown over the eyes from around them, with a line of lashes."""
    painted = frame.astype(np.float32)
    for eye in eyes_of(frame):
        hull = cv2.convexHull(np.concatenate(eye.lids)).reshape(-1, 2)
        middle = hull.mean(axis=0)
        hull = (hull - middle) * np.array([1.12, 1.5]) + middle
        mask = np.zeros(frame.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, hull.round().astype(np.int32), (255,))
        skin = cv2.inpaint(frame, cv2.dilate(mask, np.ones((3, 3))), 5, cv2.INPAINT_TELEA)
        painted = mixed(painted, skin, cv2.GaussianBlur(mask, (0, 0), 2))
        lashes = np.zeros_like(mask)
        cv2.polylines(lashes, [eye.rim[:9].round().astype(np.int32)], False, (215,), 3)
        painted = mixed(painted, np.array([60, 40, 30]), cv2.GaussianBlur(lashes, (0, 0), 0.8))
    return painted.round().astype(np.uint8)


def mixed(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    share = mask[..., None] / 255.0
    return above * share + below * (1 - share)


def test_a_cut_starts_anew(away: Frame):
    mirrored = np.ascontiguousarray(away[:, ::-1])
    small = cv2.resize(mirrored, None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA)
    cut = WALL.copy()
    cut[:153, 220:] = small
    redirector = Redirector(float(RATE))
    for _ in range(5):
        redirector.redirect(away.copy())
    after = redirector.redirect(cut.copy()).frame
    fresh = Redirector(float(RATE)).redirect(cut.copy()).frame
    # Who looks to the other side is at once moved to the other side.
    assert np.abs(after.astype(int) - fresh).max() <= 2


def test_frames_without_a_face_pass_as_they_are(away: Frame):
    redirector = Redirector(float(RATE))
    redirector.redirect(away.copy())
    passed = redirector.redirect(WALL.copy())
    assert passed.points is None
    assert np.array_equal(passed.frame, WALL)


def test_the_largest_of_two_faces_is_redirected(tmp_path: Path, away: Frame):
    small = scene(Place(x=110, y=150, side=150), width=240, height=SIZE["height"])
    film = write_film(tmp_path / "two.mp4", [np.hstack([away, small])] * 4)
    result, output = run(DraftEngine(), tmp_path, film)
    assert result.faces == 2
    before, after = frames_of(film)[2], frames_of(output)[2]
    changed = np.abs(before.astype(int) - after).max(axis=-1) > 40
    assert changed[:, : SIZE["width"]].sum() > 20
    assert changed[:, SIZE["width"] :].sum() == 0


@pytest.mark.parametrize("visible", [1, 2])
def test_too_few_frames_with_a_face_are_refused(tmp_path: Path, away: Frame, visible: int):
    small = cv2.resize(away, (200, 170), interpolation=cv2.INTER_AREA)
    wall = cv2.resize(WALL, (200, 170))
    film = write_film(tmp_path / "rare.mp4", [small] * visible + [wall] * (10 - visible))
    if visible / 10 >= MIN_FACE_SHARE:
        assert run(DraftEngine(), tmp_path, film)[0].frames_with_face == visible
    else:
        with pytest.raises(EngineError, match="No face"):
            run(DraftEngine(), tmp_path, film)


def film_of(seconds: float, rate: int, average: int | None = None) -> Film:
    rates = Fraction(rate), Fraction(average or rate)
    return Film(Path("none"), 640, 480, *rates, seconds, None, False, False)


@pytest.mark.parametrize(
    ("seconds", "rate"), [(MAX_SECONDS, 25), (MAX_FRAMES / 60, 60), (MAX_SECONDS, 30)]
)
def test_films_up_to_the_limits_are_taken(seconds: float, rate: int):
    assert check_length(film_of(seconds, rate))


@pytest.mark.parametrize(
    ("seconds", "rate"), [(MAX_SECONDS + 0.1, 25), ((MAX_FRAMES + 1) / 60, 60)]
)
def test_films_past_the_limits_are_refused(seconds: float, rate: int):
    with pytest.raises(EngineError, match="too long") as refused:
        check_length(film_of(seconds, rate))
    assert refused.value.code is ErrorCode.INPUT_INVALID


def test_a_varying_rate_that_makes_too_many_frames_is_averaged():
    assert limit_rate(film_of(MAX_SECONDS, 60, average=20)).frame_rate == 20
    assert limit_rate(film_of(MAX_SECONDS / 2, 60, average=20)).frame_rate == 60


def test_a_film_longer_than_its_header_says_is_refused_as_it_is_read():
    def endless() -> Iterator[Frame]:
        while True:
            yield WALL

    with pytest.raises(EngineError, match="too long"):
        for _ in limit_frames(endless()):
            pass


def test_a_film_turned_by_a_phone_comes_back_upright(tmp_path: Path, away: Frame):
    lying = [np.ascontiguousarray(np.rot90(away))] * 5
    film = turned(tmp_path / "phone.mp4", write_film(tmp_path / "lying.mp4", lying), -90)
    result, output = run(DraftEngine(), tmp_path, film)
    assert (result.width, result.height) == (SIZE["width"], SIZE["height"])
    assert result.frames_redirected == 5
    assert np.linalg.norm(looks(frames_of(output)[3]).shift) < 0.04


def test_progress_is_told_and_grows(tmp_path: Path, second: Path):
    reports: list[float] = []
    run(DraftEngine(), tmp_path, second, progress=reports.append)
    assert len(reports) == 25
    assert reports == sorted(reports)
    assert reports[-1] == 1.0


def test_a_cancelled_call_stops(tmp_path: Path, second: Path):
    def stop(share: float) -> None:
        if share > 0.3:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(DraftEngine(), tmp_path, second, progress=stop)


def test_a_file_without_pictures_is_refused(tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 4000)
    with pytest.raises(EngineError) as refused:
        run(DraftEngine(), tmp_path, tmp_path / "broken.mp4")
    assert refused.value.code is ErrorCode.INPUT_INVALID


def test_the_same_frames_are_redirected_the_same(away: Frame):
    item, two = (Redirector(float(RATE)).redirect(away.copy()).frame for _ in range(2))
    assert np.array_equal(item, two)


def test_the_draft_says_what_it_is():
    info = DraftEngine().info
    assert info.name == "draft"
    assert "mediapipe-0.10.21" in info.model
