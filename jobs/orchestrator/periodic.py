"""Work that rooms above have the orchestrator do, registered when Django is ready."""

from collections.abc import Callable

Work = Callable[[], int]
"""A round: returns how much there was to do. Raises what `loop` takes for an outage."""

WORK: list[tuple[Work, float]] = []
"""With the seconds to rest after a round in which there was nothing."""


def register_periodic(work: Work, *, seconds: float) -> None:
    """Have it done again and again, by each orchestrator, in a thread of its own."""
    WORK.append((work, seconds))
