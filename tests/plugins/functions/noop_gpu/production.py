"""The engine for a GPU: it says where it was loaded."""

import time
from typing import Self

from gpu_tasks.noop.draft import DraftEngine
from gpu_tasks.noop_gpu.contract import CONTRACT

from gpu_tasks.runtime.engine import Host

LOAD_SECONDS = 0.2


class ProductionEngine(DraftEngine):
    """Does nothing, where it was told to."""

    @classmethod
    def load(cls, host: Host) -> Self:
        """Take a while."""
        time.sleep(LOAD_SECONDS)
        engine = cls()
        engine.model = f"{CONTRACT.models['noop']}, {host.dtype} on {host.device}"
        return engine
