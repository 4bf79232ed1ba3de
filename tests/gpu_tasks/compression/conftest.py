"""The draft engine, and one film that several tests compress."""

from pathlib import Path

import pytest

from gpu_tasks.runtime.engine import Engine, load
from tests.gpu_tasks.films import make_film

RICH = (
    "-crf",
    "12",
    "-metadata",
    "location=+48.1374+011.5755/",
    "-metadata",
    "title=Holiday",
    "-metadata:s:v",
    "creation_time=2026-05-01T10:00:00Z",
)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the draft engine, loaded as a worker loads it."""
    return load("compression", "draft")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of too good a film, that says where it was recorded."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    return make_film(path, size="320x180", seconds=3, extra=RICH)
