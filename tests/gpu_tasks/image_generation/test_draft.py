"""The draft engine: scenes as PNG."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.image_generation.contract import MAX_COUNT
from gpu_tasks.runtime import engine as engines
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from tests.gpu_tasks.image_generation.calls import generate, payload


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engines.load("image_generation", "draft")


def test_it_says_that_it_is_a_draft(engine: Engine):
    assert engine.info.name == "draft"


def test_each_picture_has_the_size_and_a_seed_of_its_own(engine: Engine, tmp_path: Path):
    result, pictures = generate(engine, tmp_path, payload(width=336, height=256, count=MAX_COUNT))
    assert (result.width, result.height, result.seeds) == (336, 256, [5, 6, 7, 8])
    assert [item.shape for item in pictures] == [(256, 336, 3)] * MAX_COUNT
    assert len({item.tobytes() for item in pictures}) == MAX_COUNT


def test_a_picture_can_be_made_again_by_its_seed(engine: Engine, tmp_path: Path):
    result, (_, second) = generate(engine, tmp_path / "two", payload(count=2))
    _, (again,) = generate(engine, tmp_path / "one", payload(seed=result.seeds[1]))
    assert np.array_equal(second, again)


def test_it_says_what_it_has_understood(engine: Engine, tmp_path: Path):
    result, _ = generate(engine, tmp_path / "some", payload("A fox in a forest, by Klimt"))
    assert result.understood == ["fox", "forest"]
    result, _ = generate(engine, tmp_path / "none", payload("Klimt"))
    assert result.understood == []


def test_progress_grows_to_the_end(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    generate(engine, tmp_path, payload(count=2), reports.append)
    assert reports == [0.0, 0.5, 1.0]


def test_who_stops_it_gets_no_further_picture(engine: Engine, tmp_path: Path):
    def stop(share: float) -> None:
        if share >= 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, tmp_path, payload(count=2), stop)
    assert [path.name for path in (tmp_path / "out" / "results").iterdir()] == ["0"]


def test_an_empty_prompt_is_refused(engine: Engine, tmp_path: Path):
    with pytest.raises(EngineError) as caught:
        generate(engine, tmp_path, payload("\x00 \u200b"))
    assert caught.value.code is ErrorCode.INPUT_INVALID
