"""The engines that a process keeps loaded from one call to the next."""

import gc
import time
from collections import OrderedDict
from dataclasses import dataclass

from gpu_tasks.runtime.engine import Engine, Host, load


@dataclass(frozen=True)
class Loaded:
    """An engine, and the seconds that its loading took just now: 0 where it was kept."""

    engine: Engine
    seconds: float


class Engines:
    """Loaded engines, the one used last at the end; for one thread at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, Host], Engine] = OrderedDict()

    def get(self, function: str, engine: str, host: Host, *, at_most: int | None = None) -> Loaded:
        """The engine, loaded if it is not yet.

        With ``at_most``, those unused for longest go before another is loaded: memory that is
        full fails the call, whichever engine fills it.
        """
        key = (function, engine, host)
        if key in self._kept:
            self._kept.move_to_end(key)
            return Loaded(self._kept[key], 0.0)
        started = time.monotonic()
        if at_most is not None:
            self._make_room(at_most)
        self._kept[key] = load(*key)
        return Loaded(self._kept[key], time.monotonic() - started)

    def _make_room(self, at_most: int) -> None:
        if len(self._kept) < at_most:
            return
        while len(self._kept) >= at_most:
            self._kept.popitem(last=False)
        gc.collect()  # models have cycles: else their memory would be free some time later
