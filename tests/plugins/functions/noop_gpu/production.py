"""The engine for a GPU: it says where it was loaded."""

import time
from pathlib import Path

from gpu_tasks.noop.draft import NoopEngine

from gpu_tasks.runtime.contract import EngineInfo

LOAD_SECONDS = 0.2


class Loaded(NoopEngine):
    """Does nothing, where it was told to."""

    def __init__(self, device: str, dtype: str) -> None:
        self.info = EngineInfo(name="production", model=f"noop, {dtype} on {device}")


def load(model_dir: Path | None, device: str, dtype: str) -> Loaded:
    """Take a while."""
    time.sleep(LOAD_SECONDS)
    return Loaded(device, dtype)
