"""The draft engine and its films, made once."""

from pathlib import Path

import pytest

from gpu_tasks.runtime.engine import Engine, load
from tests.gpu_tasks.video_query.calls import known_film, talking_film, titled_film


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the draft engine, loaded as a worker loads it."""
    return load("video_query", "draft")


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of four shots without sound."""
    return known_film(tmp_path_factory.mktemp("films") / "silent.mp4")


@pytest.fixture(scope="session")
def talking(silent: Path) -> Path:
    """Return the same film with a spoken sentence."""
    return talking_film(silent.with_name("talking.mp4"), silent)


@pytest.fixture(scope="session")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two titles of two seconds each, without sound."""
    return titled_film(tmp_path_factory.mktemp("films") / "titled.mp4", "HARBOUR 3", "LIGHTHOUSE")
