from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpu_tasks.gaze_redirection.contract import CONTRACT, MODELS
from gpu_tasks.gaze_redirection.draft import DraftEngine
from gpu_tasks.runtime import weights
from gpu_tasks.runtime.engine import Engine, Host, load
from gpu_tasks.runtime.errors import ErrorCode, StoppedError
from gpu_tasks.runtime.runner import get_error_code
from tests.gpu_tasks.gaze_redirection.people import frames_of, write_film
from tests.gpu_tasks.gaze_redirection.runs import run
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene
from tests.gpu_tasks.mediakit.faces.tiny_restorer import save_tiny_restorer

pytestmark = [pytest.mark.torch, pytest.mark.shims]


def loaded(model_dir: Path | None) -> Engine:
    return load("gaze_redirection", "production", Host(model_dir))


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights where the real ones would lie."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny_restorer(weights.get_folder(folder, MODELS["restoration"]))
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames with a face and one without."""
    visible = scene(Place(x=100, y=85, side=110), width=200, height=170)
    wall = np.full_like(visible, 140)
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4", [visible, wall, visible])


def test_what_is_around_the_eyes_is_redrawn(model_dir: Path, film: Path, tmp_path: Path):
    result, output = run(loaded(model_dir), tmp_path / "production", film)
    drafted, plain = run(DraftEngine(), tmp_path / "draft", film)
    assert result == drafted
    ours, theirs = frames_of(output), frames_of(plain)
    assert len(ours) == len(theirs) == 3
    changed = np.abs(ours[0].astype(int) - theirs[0]).max(axis=-1)
    assert changed[50:75, 60:140].mean() > 10
    assert changed[120:].mean() < 3
    assert np.abs(ours[1].astype(int) - theirs[1]).mean() < 2


def test_the_engine_says_which_weights_it_has(model_dir: Path):
    info = loaded(model_dir).info
    assert info.name == "production"
    assert MODELS["restoration"] in info.model


def test_without_weights_it_is_not_loaded(model_dir: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        loaded(None)
    with pytest.raises(FileNotFoundError):
        loaded(tmp_path)


def engine_with(network: Callable[[Any], Any]) -> Engine:
    """Return the engine with another network."""
    from gpu_tasks.gaze_redirection.production import ProductionEngine
    from gpu_tasks.mediakit.faces.restoration import FaceRestorer

    return ProductionEngine(FaceRestorer(network, "cpu"))


def test_a_cancelled_call_stops(model_dir: Path, film: Path, tmp_path: Path):
    def stop(_share: float) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run(engine_with(lambda pictures: pictures), tmp_path, film, progress=stop)


def test_memory_that_runs_out_is_told(model_dir: Path, film: Path, tmp_path: Path):
    def full(_pictures: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError) as raised:
        run(engine_with(full), tmp_path, film)
    assert get_error_code(raised.value) is ErrorCode.GPU_OOM


def test_the_contract_reckons_in_what_gfpgan_can():
    assert CONTRACT.dtype == "float32"
