"""The draft engine: a known performance given to the portrait, and what is no performance."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.iris import detect_irises
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import Frame, probe
from gpu_tasks.mediakit.mouth import measure_opening
from gpu_tasks.performance_cloning.contract import (
    MAX_SECONDS,
    MIN_FACE_PIXELS,
    PerformanceCloningResult,
)
from gpu_tasks.performance_cloning.performance import probe_driving_film
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.lip_sync.calls import damaged, filmed
from tests.gpu_tasks.mediakit.faces.portrait import PORTRAIT, Place, portrait, scene
from tests.gpu_tasks.performance_cloning.acting import (
    FRAMES,
    HEIGHT,
    WIDTH,
    acted,
    blink,
    opening,
    tilt,
)
from tests.gpu_tasks.performance_cloning.calls import cloned, payload, workspace_of

pytestmark = pytest.mark.xdist_group("performance_cloning")

EYES = (33, 263)


def watched(film: Path) -> list[tuple[Frame, Points]]:
    """Each frame with its face, as it is seen."""
    tracker = FaceTracker(frame_rate=25)
    seen = [(frame, tracker.follow(frame)) for frame in probe(film).frames()]
    return [(frame, face.points) for frame, face in seen if face is not None]


def picture(path: Path, frame: Frame) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return path


def correlation(seen: list[float], current: list[float]) -> float:
    return float(np.corrcoef(seen, current)[0, 1])


def refused(engine: Engine, root: Path, source: Path, driving: Path) -> str:
    with pytest.raises(EngineError) as caught:
        cloned(engine, root, source, driving)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    return caught.value.message


def test_the_result_is_of_the_portraits_size_and_the_films_length(
    made: tuple[PerformanceCloningResult, Path],
):
    result, film = made
    assert result == PerformanceCloningResult(
        duration_ms=1200,
        width=200,
        height=200,
        frame_rate=25.0,
        frames=FRAMES,
        frames_with_face=FRAMES,
    )
    visible = probe(film)
    assert (visible.width, visible.height, visible.has_sound) == (200, 200, False)
    assert len(watched(film)) == FRAMES


def test_the_mouth_is_the_performers(made: tuple[PerformanceCloningResult, Path]):
    seen = [measure_opening(points) for _, points in watched(made[1])]
    assert correlation(seen, [opening(index) for index in range(FRAMES)]) > 0.85


def test_the_head_tilts_with_the_performers(made: tuple[PerformanceCloningResult, Path]):
    seen = []
    for _, points in watched(made[1]):
        across = points[EYES[1], :2] - points[EYES[0], :2]
        seen.append(float(np.degrees(np.arctan2(across[1], across[0]))))
    current = [tilt(index) for index in range(FRAMES)]
    assert correlation(seen, current) > 0.9
    assert np.ptp(seen) > 0.5 * np.ptp(current)


def test_the_eyes_blink_with_the_performers(made: tuple[PerformanceCloningResult, Path]):
    openness = [
        np.mean([eye.openness for eye in detect_irises(*item)]) for item in watched(made[1])
    ]
    shut = [index for index in range(FRAMES) if blink(index)]
    seeing = [index for index in range(FRAMES) if not blink(index)]
    assert np.median(np.take(openness, shut)) < 0.6 * np.median(np.take(openness, seeing))


def test_the_background_stays(made: tuple[PerformanceCloningResult, Path]):
    frames = np.stack(list(probe(made[1]).frames())).astype(int)
    corners = np.abs(frames[:, :20, :20] - frames[0, :20, :20])
    assert corners.mean() < 4


def test_a_performer_who_does_nothing_leaves_the_portrait_still(draft: Engine, tmp_path: Path):
    film = filmed(tmp_path / "still.mp4", acted(frames=6))
    _, output = cloned(draft, tmp_path / "work", PORTRAIT, film)
    points = np.stack([face for _, face in watched(output)])
    assert np.abs(points - points[0])[..., :2].max() < 2.5


def test_the_films_sound_goes_with_it(draft: Engine, performance: Path, tmp_path: Path):
    from gpu_tasks.mediakit import ffmpeg

    loud = tmp_path / "loud.mp4"
    tone = "sine=frequency=440:duration=1.2"
    ffmpeg.run(["-i", performance, "-f", "lavfi", "-i", tone, "-c:v", "copy", loud])
    _, output = cloned(draft, tmp_path / "work", PORTRAIT, loud)
    assert probe(output).has_sound
    assert probe(output).duration_seconds == pytest.approx(1.2, abs=1 / 25)


def test_where_the_performer_is_not_seen_the_portrait_moves_on(draft: Engine, tmp_path: Path):
    frames = list(acted(head=tilt))
    for index in (0, 1, 10, 11, 12, 28, 29):
        frames[index] = scene(width=WIDTH, height=HEIGHT)
    film = filmed(tmp_path / "film.mp4", frames)
    result, output = cloned(draft, tmp_path / "work", PORTRAIT, film)
    assert (result.frames, result.frames_with_face) == (30, 23)
    points = np.stack([face for _, face in watched(output)])
    assert len(points) == 30
    assert np.abs(np.diff(points, axis=0))[..., :2].max() < 8


def test_a_films_first_frame_is_a_portrait(draft: Engine, performance: Path, tmp_path: Path):
    source = filmed(tmp_path / "source.mp4", acted(frames=3))
    short = filmed(tmp_path / "short.mp4", acted(mouth=opening, frames=5))
    result, _ = cloned(draft, tmp_path / "work", source, short)
    assert (result.width, result.height, result.frames) == (WIDTH, HEIGHT, 5)


def test_odd_sizes_and_a_film_turned_on_its_side(draft: Engine, tmp_path: Path):
    odd = np.ascontiguousarray(np.pad(portrait(), ((0, 31), (0, 7), (0, 0)), "edge"))
    upright = scene(Place(90, 120, 90), width=180, height=240)
    lying = filmed(tmp_path / "lying.mp4", [np.ascontiguousarray(np.rot90(upright))] * 5)
    film = turned(tmp_path / "phone.mp4", lying, -90)
    source = picture(tmp_path / "odd.png", odd)
    result, _ = cloned(draft, tmp_path / "work", source, film)
    assert (result.width, result.height) == (206, 230)
    assert result.frames_with_face == result.frames == 5


def test_a_fast_film_is_slowed_down(draft: Engine, tmp_path: Path):
    film = filmed(tmp_path / "fast.mp4", acted(frames=12), rate=Fraction(60))
    result, _ = cloned(draft, tmp_path / "work", PORTRAIT, film)
    assert result.frame_rate == 24


def test_a_portrait_without_a_face(draft: Engine, performance: Path, tmp_path: Path):
    wall = picture(tmp_path / "wall.png", scene())
    message = refused(draft, tmp_path / "work", wall, performance)
    assert message == "There is no face in the portrait."


def test_a_portrait_of_two(draft: Engine, performance: Path, tmp_path: Path):
    both = scene(Place(120, 180, 150), Place(360, 180, 150))
    source = picture(tmp_path / "both.png", both)
    assert "several faces in the portrait" in refused(draft, tmp_path / "work", source, performance)


def test_a_portrait_that_is_too_small(draft: Engine, performance: Path, tmp_path: Path):
    across = 45 / 95  # between the outer corners of the eyes, of the face's side: about
    small = scene(Place(240, 180, 0.85 * MIN_FACE_PIXELS / across / 1.4))
    source = picture(tmp_path / "small.png", small)
    assert "too small" in refused(draft, tmp_path / "work", source, performance)


def test_a_driving_film_without_a_face(draft: Engine, tmp_path: Path):
    film = make_film(tmp_path / "pattern.mp4", seconds=0.4)
    message = refused(draft, tmp_path / "work", PORTRAIT, film)
    assert message == "There is too little of a face in the driving film."


def test_a_driving_film_that_looks_right_and_will_not_decode(
    draft: Engine, performance: Path, tmp_path: Path
):
    broken = damaged(tmp_path / "broken.mp4", performance)
    message = refused(draft, tmp_path / "work", PORTRAIT, broken)
    assert message == "The pictures of the film could not be decoded."


def test_a_driving_film_with_a_face_in_less_than_half_of_it(draft: Engine, tmp_path: Path):
    wall = scene(width=WIDTH, height=HEIGHT)
    film = filmed(tmp_path / "film.mp4", [*acted(frames=4), *[wall] * 6])
    assert "too little" in refused(draft, tmp_path / "work", PORTRAIT, film)


def test_a_driving_film_of_two(draft: Engine, tmp_path: Path):
    both = scene(Place(60, 100, 90), Place(180, 100, 90), width=WIDTH, height=HEIGHT)
    film = filmed(tmp_path / "two.mp4", [both] * 3)
    assert "several faces" in refused(draft, tmp_path / "work", PORTRAIT, film)


def test_a_driving_film_that_is_too_long(draft: Engine, tmp_path: Path):
    film = make_film(tmp_path / "long.mp4", rate="2", seconds=MAX_SECONDS + 1, sound=False)
    message = refused(draft, tmp_path / "work", PORTRAIT, film)
    assert message == "The driving film is longer than 20 seconds."


def test_a_driving_film_as_long_as_it_may_be(tmp_path: Path):
    film = make_film(tmp_path / "film.mp4", rate="2", seconds=MAX_SECONDS, sound=False)
    assert probe_driving_film(film).frames_expected == MAX_SECONDS * 25


def test_progress_is_told_in_order(draft: Engine, performance: Path, tmp_path: Path):
    reports: list[float] = []
    draft.run(payload(), workspace_of(tmp_path, PORTRAIT, performance, reports.append))
    assert reports == sorted(reports)
    assert reports[-1] == 1.0


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_cancelled_call_stops_at_once(
    draft: Engine, performance: Path, tmp_path: Path, share: float
):
    def stop(done: float) -> None:
        if done > share:
            raise StoppedError

    with pytest.raises(StoppedError):
        draft.run(payload(), workspace_of(tmp_path, PORTRAIT, performance, stop))
    assert not [item for item in psutil.Process().children() if "ffmpeg" in item.name()]


def test_a_draft_says_that_it_is_one(draft: Engine):
    assert draft.info.name == "draft"
