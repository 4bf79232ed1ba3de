"""The draft engine, and one performance, made once."""

from pathlib import Path

import pytest

from gpu_tasks.performance_cloning.contract import PerformanceCloningResult
from gpu_tasks.runtime.engine import Engine, load
from tests.gpu_tasks.lip_sync.calls import filmed
from tests.gpu_tasks.mediakit.faces.portrait import PORTRAIT
from tests.gpu_tasks.performance_cloning.acting import acted, blink, opening, tilt
from tests.gpu_tasks.performance_cloning.calls import cloned


@pytest.fixture(scope="session")
def draft() -> Engine:
    """Return the draft engine, loaded as a worker loads it."""
    return load("performance_cloning", "draft")


@pytest.fixture(scope="session")
def performance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film in which the mouth opens twice, the head tilts and the eyes blink."""
    path = tmp_path_factory.mktemp("performance") / "performance.mp4"
    return filmed(path, acted(mouth=opening, head=tilt, eyes=blink))


@pytest.fixture(scope="session")
def made(
    draft: Engine, performance: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PerformanceCloningResult, Path]:
    """Return the portrait giving that performance."""
    return cloned(draft, tmp_path_factory.mktemp("made"), PORTRAIT, performance)
