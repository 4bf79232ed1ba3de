"""The production engine with tiny random weights, loaded as the real ones are."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.image_generation.contract import MODELS
from gpu_tasks.runtime import engine as engines
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.runner import get_error_code
from tests.gpu_tasks.image_generation import tiny
from tests.gpu_tasks.image_generation.calls import generate, payload

pytestmark = pytest.mark.torch
MOST_TOKENS = 496


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    model_dir = tmp_path_factory.mktemp("models")
    tiny.save(model_dir)
    return engines.load("image_generation", "production", engines.Host(model_dir))


def test_it_says_which_model_it_is(engine: Engine):
    assert engine.info == EngineInfo(name="production", model=MODELS["image"])


def test_pictures_have_the_size_and_seeds_of_their_own(engine: Engine, tmp_path: Path):
    result, pictures = generate(engine, tmp_path, payload(width=304, height=256, count=2))
    assert (result.width, result.height, result.seeds) == (304, 256, [5, 6])
    assert [item.shape for item in pictures] == [(256, 304, 3)] * 2
    assert not np.array_equal(*pictures)
    assert pictures[0].std() > 0


def test_a_picture_can_be_made_again_by_its_seed(engine: Engine, tmp_path: Path):
    result, (_, second) = generate(engine, tmp_path / "two", payload(count=2))
    _, (again,) = generate(engine, tmp_path / "one", payload(seed=result.seeds[1]))
    assert np.array_equal(second, again)


def test_another_prompt_makes_another_picture(engine: Engine, tmp_path: Path):
    _, (item,) = generate(engine, tmp_path / "one", payload())
    _, (other,) = generate(engine, tmp_path / "other", payload("picture"))
    assert not np.array_equal(item, other)


def test_progress_grows_to_the_end(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    generate(engine, tmp_path, payload(count=2), reports.append)
    assert reports == sorted(reports)
    assert (reports[0], reports[-1]) == (0.0, 1.0)
    assert len(set(reports)) == 2 * 8 + 3


def test_the_noise_levels_are_those_that_the_model_was_distilled_for(
    engine: Engine, tmp_path: Path
):
    generate(engine, tmp_path, payload())
    scheduler = engine._pipeline.scheduler  # type: ignore[attr-defined]
    evenly = np.linspace(1, 0, 8 + 1)
    shift = scheduler.config.shift
    assert shift == 3.0
    expected = shift * evenly / (1 + (shift - 1) * evenly)
    assert scheduler.sigmas.numpy() == pytest.approx(expected, abs=1e-5)


def test_what_decodes_the_picture_is_as_exact_as_it_can_be(tmp_path: Path):
    import torch

    tiny.save(tmp_path)
    engine = engines.load(
        "image_generation", "production", engines.Host(tmp_path, dtype="bfloat16")
    )
    pipeline = engine._pipeline  # type: ignore[attr-defined]
    assert (pipeline.vae.dtype, pipeline.transformer.dtype) == (torch.float32, torch.bfloat16)
    generate(engine, tmp_path / "work", payload())


def test_who_stops_it_leaves_no_model_on_the_gpu(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pipeline = engine._pipeline  # type: ignore[attr-defined]
    freed: list[bool] = []
    monkeypatch.setattr(pipeline, "maybe_free_model_hooks", lambda: freed.append(True))

    def stop(share: float) -> None:
        if share > 0.1:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, tmp_path, payload(), stop)
    assert freed == [True]


def test_who_stops_it_gets_no_further_picture(engine: Engine, tmp_path: Path):
    def stop(share: float) -> None:
        if share > 0.6:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, tmp_path, payload(count=2), stop)
    assert [path.name for path in (tmp_path / "out" / "results").iterdir()] == ["0"]


def test_a_prompt_longer_than_the_model_reads_is_refused(engine: Engine, tmp_path: Path):
    fits = " ".join(["sea"] * MOST_TOKENS)
    generate(engine, tmp_path / "fits", payload(fits))
    with pytest.raises(EngineError, match="reads 496 tokens, this has 497") as caught:
        generate(engine, tmp_path / "more", payload(f"{fits} sea"))
    assert caught.value.code is ErrorCode.INPUT_INVALID


def test_an_empty_prompt_is_refused(engine: Engine, tmp_path: Path):
    with pytest.raises(EngineError) as caught:
        generate(engine, tmp_path, payload("\x00 \u200b"))
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


def test_what_overflows_is_no_picture(engine: Engine, tmp_path: Path):
    def overflow(_module: object, _inputs: object, output: object) -> object:
        return tuple([item * float("nan") for item in group] for group in output)

    hook = engine._pipeline.transformer.register_forward_hook(overflow)  # type: ignore[attr-defined]
    try:
        with pytest.raises(EngineError) as caught:
            generate(engine, tmp_path, payload())
    finally:
        hook.remove()
    assert caught.value.code is ErrorCode.MODEL_ERROR


def test_without_weights_it_cannot_be_loaded(tmp_path: Path):
    with pytest.raises(OSError, match=str(tmp_path)):
        engines.load("image_generation", "production", engines.Host(tmp_path))
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        engines.load("image_generation", "production")
