"""The draft engine: moving scenes as MP4."""

import itertools
from pathlib import Path

import numpy as np
import psutil
import pytest

from gpu_tasks.mediakit.film import Film, Frame
from gpu_tasks.runtime import engine as engines
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.video_generation.contract import Resolution, VideoGenerationResult
from tests.gpu_tasks.video_generation.calls import generate, payload

pytestmark = pytest.mark.xdist_group("video_draft")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engines.load("video_generation", "draft")


@pytest.fixture(scope="module")
def made(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[VideoGenerationResult, Film]:
    return generate(engine, tmp_path_factory.mktemp("made"), payload(seconds=2))


@pytest.fixture(scope="module")
def frames(made: tuple[VideoGenerationResult, Film]) -> list[Frame]:
    return list(made[1].frames())


def test_it_says_that_it_is_a_draft(engine: Engine):
    assert engine.info.name == "draft"


def test_the_film_has_the_size_the_rate_and_exactly_the_length(
    made: tuple[VideoGenerationResult, Film], frames: list[Frame]
):
    result, film = made
    assert (result.width, result.height) == (film.width, film.height) == (832, 480)
    assert result.frame_rate == film.frame_rate == 16
    assert result.duration_ms == 2000
    assert film.duration_seconds == pytest.approx(2.0)
    assert len(frames) == 32
    assert not film.has_sound


def test_it_says_what_it_has_understood(made: tuple[VideoGenerationResult, Film]):
    assert made[0].understood == ["sailing boat", "sea", "sunset"]


def test_it_moves_from_frame_to_frame_without_a_cut(frames: list[Frame]):
    pairs = itertools.pairwise(frames)
    steps = [np.abs(item.astype(int) - other).mean() for item, other in pairs]
    assert min(steps) > 0.05
    assert max(steps) < 8


@pytest.mark.parametrize("resolution", [Resolution.PORTRAIT, Resolution.SQUARE])
def test_every_resolution_is_filmed(engine: Engine, tmp_path: Path, resolution: Resolution):
    _, film = generate(engine, tmp_path, payload("abstract", resolution=resolution))
    assert (film.width, film.height) == (resolution.width, resolution.height)


def test_the_same_seed_makes_the_same_film(engine: Engine, frames: list[Frame], tmp_path: Path):
    _, again = generate(engine, tmp_path / "again", payload(seconds=2))
    _, other = generate(engine, tmp_path / "other", payload(seed=6))
    assert np.array_equal(frames, list(again.frames()))
    assert not np.array_equal(frames[0], next(other.frames()))


def test_progress_grows_to_the_end(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    generate(engine, tmp_path, payload("abstract"), reports.append)
    assert reports == [number / 16 for number in range(17)]


def test_who_stops_it_leaves_no_child_behind(engine: Engine, tmp_path: Path):
    def stop(share: float) -> None:
        if share > 0.3:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, tmp_path, payload("abstract"), stop)
    assert not [item for item in psutil.Process().children() if "ffmpeg" in item.name()]


def test_an_empty_prompt_is_refused(engine: Engine, tmp_path: Path):
    with pytest.raises(EngineError) as caught:
        generate(engine, tmp_path, payload("\x00 \u200b"))
    assert caught.value.code is ErrorCode.INPUT_INVALID
