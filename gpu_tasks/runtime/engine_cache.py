"""The engines that a process keeps loaded between calls."""

import gc
import time
from collections import OrderedDict
from dataclasses import dataclass

from gpu_tasks.runtime.engine import Engine, Host, load


@dataclass(frozen=True)
class LoadedEngine:
    """An engine, and the seconds that this call waited for its loading."""

    engine: Engine
    seconds: float


class EngineCache:
    """Loaded engines, the most recently used last; for one thread at a time."""

    def __init__(self) -> None:
        self._engines: OrderedDict[tuple[str, str, Host], Engine] = OrderedDict()

    def get(
        self, function: str, engine: str, host: Host, *, at_most: int | None = None
    ) -> LoadedEngine:
        """Return the engine, and load it if it is not loaded yet.

        With ``at_most``, the least recently used engines are unloaded before another is loaded.
        Full memory fails the call, whichever engine fills it.
        """
        key = (function, engine, host)
        if key in self._engines:
            self._engines.move_to_end(key)
            return LoadedEngine(self._engines[key], 0.0)
        started = time.monotonic()
        if at_most is not None:
            self._unload_surplus(at_most)
        self._engines[key] = load(*key)
        return LoadedEngine(self._engines[key], time.monotonic() - started)

    def _unload_surplus(self, at_most: int) -> None:
        if len(self._engines) < at_most:
            return
        while len(self._engines) >= at_most:
            self._engines.popitem(last=False)
        gc.collect()  # models have cycles, so their memory would be freed only later
