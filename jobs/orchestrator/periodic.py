"""Register work that the orchestrator repeats for higher layers, when Django is ready."""

from collections.abc import Callable

Work = Callable[[], int]
"""One round. It returns how much there was to do, and raises outages as `loop` knows them."""

WORK: list[tuple[Work, float]] = []
"""Each work with the seconds to rest after a round without anything to do."""


def register_periodic(work: Work, *, seconds: float) -> None:
    """Have each orchestrator repeat the work, in a thread of its own."""
    WORK.append((work, seconds))
