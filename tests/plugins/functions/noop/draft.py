"""The engine that does nothing."""

import time

from gpu_tasks.noop.contract import NoopPayload, NoopResult

from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError

TICK_SECONDS = 0.1


class DraftEngine(Engine):
    """Waits in ticks, so that it can be stopped."""

    model = "noop"

    def run(self, payload: NoopPayload, workspace: Workspace) -> NoopResult:
        """Wait; then fail, if told to."""
        end = time.monotonic() + payload.seconds
        while (left := end - time.monotonic()) > 0:
            workspace.progress(1 - left / payload.seconds)
            time.sleep(min(TICK_SECONDS, left))
        if payload.error is not None:
            raise EngineError(payload.error)
        return NoopResult()
