"""The production engine with tiny random weights, loaded as the real ones are."""

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from gpu_tasks.mediakit.film import Film
from gpu_tasks.runtime import engine as engines
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.runner import get_error_code
from gpu_tasks.video_generation.contract import MAX_SECONDS, MIN_SECONDS, MODELS
from gpu_tasks.video_generation.contract import VideoGenerationResult as Result
from tests.gpu_tasks.video_generation import tiny
from tests.gpu_tasks.video_generation.calls import generate, payload

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("video_generation")]
MOST_TOKENS = 512


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    model_dir = tmp_path_factory.mktemp("models")
    tiny.save(model_dir)
    return engines.load("video_generation", "production", engines.Host(model_dir))


@pytest.fixture(scope="module")
def told() -> list[float]:
    """Return the progress reports of the first call."""
    return []


@pytest.fixture(scope="module")
def made(
    engine: Engine, told: list[float], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, Film]:
    return generate(engine, tmp_path_factory.mktemp("made"), payload(), told.append)


def stopping_after(engine: Engine, root: Path, share: float) -> None:
    def stop(done: float) -> None:
        if done > share:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, root, payload(), stop)


def test_it_says_which_model_it_is(engine: Engine):
    assert engine.info == EngineInfo(name="production", model=MODELS["video"])


def test_it_is_loaded_as_the_model_card_says(engine: Engine):
    import torch

    pipeline = engine._pipeline  # type: ignore[attr-defined]
    assert pipeline.scheduler.config.flow_shift == 3.0
    assert pipeline.vae.dtype is torch.float32


def test_the_film_has_the_size_the_rate_and_exactly_the_length(made: tuple[Result, Film]):
    result, film = made
    assert (result.width, result.height) == (film.width, film.height) == (832, 480)
    assert result.frame_rate == film.frame_rate == 16
    assert result.duration_ms == 1000
    assert film.duration_seconds == pytest.approx(1.0)
    assert len(list(film.frames())) == 16


def test_progress_grows_to_the_end(made: tuple[Result, Film], told: list[float]):
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(set(told)) == 1 + 25 + 16


def test_a_film_can_be_made_again_by_its_seed(
    engine: Engine, made: tuple[Result, Film], tmp_path: Path
):
    _, again = generate(engine, tmp_path / "again", payload())
    _, other = generate(engine, tmp_path / "other", payload(seed=6))
    first = list(made[1].frames())
    assert np.array_equal(first, list(again.frames()))
    assert not np.array_equal(first, list(other.frames()))


@pytest.mark.parametrize("share", [0.5, 0.95], ids=["denoising", "writing"])
def test_who_stops_it_leaves_no_child_behind(engine: Engine, tmp_path: Path, share: float):
    stopping_after(engine, tmp_path, share)
    assert not [item for item in psutil.Process().children() if "ffmpeg" in item.name()]


def test_a_prompt_longer_than_the_model_reads_is_refused(engine: Engine, tmp_path: Path):
    too_long = " ".join(["at"] * (MOST_TOKENS + 1))
    with pytest.raises(EngineError, match="reads 512 tokens, this has 513") as caught:
        generate(engine, tmp_path, payload(too_long))
    assert caught.value.code is ErrorCode.INPUT_INVALID


def test_memory_that_runs_out_is_told_as_such(engine: Engine, tmp_path: Path):
    import torch

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    pipeline = engine._pipeline  # type: ignore[attr-defined]
    hook = pipeline.transformer.register_forward_pre_hook(full)
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            generate(engine, tmp_path, payload())
    finally:
        hook.remove()
    assert get_error_code(caught.value) is ErrorCode.GPU_OOM


def test_what_overflows_is_no_film(engine: Engine, tmp_path: Path):
    def overflow(_module: object, _inputs: object, output: Any) -> Any:
        return output * float("nan")

    decoder = engine._pipeline.vae.decoder  # type: ignore[attr-defined]
    hook = decoder.register_forward_hook(overflow)
    try:
        with pytest.raises(EngineError) as caught:
            generate(engine, tmp_path, payload())
    finally:
        hook.remove()
    assert caught.value.code is ErrorCode.MODEL_ERROR


@pytest.mark.parametrize("seconds", range(MIN_SECONDS, MAX_SECONDS + 1))
def test_the_model_is_asked_for_frames_that_it_can_make(seconds: int):
    from gpu_tasks.video_generation.production import count_model_frames

    count = count_model_frames(seconds * 16)
    assert (count - 1) % 4 == 0
    assert seconds * 16 <= count <= seconds * 16 + 3


def test_without_weights_it_cannot_be_loaded(tmp_path: Path):
    with pytest.raises(OSError, match=r"Wan2\.1"):
        engines.load("video_generation", "production", engines.Host(tmp_path))
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        engines.load("video_generation", "production")
