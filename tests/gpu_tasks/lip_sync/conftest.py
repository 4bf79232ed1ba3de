"""The draft engine, and one film of a speaker, made once."""

from pathlib import Path

import pytest

from gpu_tasks.lip_sync.contract import LipSyncResult
from gpu_tasks.runtime.engine import Engine, load
from tests.gpu_tasks.lip_sync.calls import filmed, nodding, synced
from tests.gpu_tasks.recordings import SHORT


@pytest.fixture(scope="session")
def draft() -> Engine:
    """Return the draft engine, loaded as a worker loads it."""
    return load("lip_sync", "draft")


@pytest.fixture(scope="session")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of 1.2 seconds."""
    return filmed(tmp_path_factory.mktemp("speaker") / "speaker.mp4", nodding(30))


@pytest.fixture(scope="session")
def spoken(
    draft: Engine, speaker: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LipSyncResult, Path]:
    """Return the film of the speaker who says the short recording, which is longer."""
    return synced(draft, tmp_path_factory.mktemp("spoken"), speaker, SHORT)
