"""Count how the latest jobs ended, and how long they took, from the event log."""

from collections.abc import Iterator
from dataclasses import dataclass

from jobs import sql
from jobs.event_contract import EventType
from jobs.events import log

RECENT_EVENTS = 10_000
"""How many of the last events outcomes and latencies are computed from."""
LATENCY_BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of the histogram's buckets in seconds. The last bucket has no bound."""


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of the jobs that ended among the last events."""

    completed: int
    failed: int
    cancelled: int
    latency: tuple[tuple[float, int], ...]
    """Pairs of a bound in seconds since the request and how many jobs completed within it. The last
    bound is infinity."""
    latency_sum_seconds: float

    @property
    def error_rate(self) -> float:
        """Return the share of failed jobs among those that nobody cancelled, from 0 to 1."""
        total = self.completed + self.failed
        return self.failed / total if total else 0.0


def count_outcomes() -> Outcomes:
    """Return the outcomes among the last ``RECENT_EVENTS`` events."""
    after = log.get_last_position() - RECENT_EVENTS
    counts = dict.fromkeys((EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED), 0)
    counts_by_bucket = [0] * (len(LATENCY_BOUNDS) + 1)
    total = 0.0
    for name, bucket, count, seconds in sql.run(
        "recent_ends", after=after, bounds=list(LATENCY_BOUNDS)
    ):
        counts[EventType(name)] += count
        if name == EventType.COMPLETED:
            counts_by_bucket[bucket] += count
            total += seconds
    return Outcomes(
        completed=counts[EventType.COMPLETED],
        failed=counts[EventType.FAILED],
        cancelled=counts[EventType.CANCELLED],
        latency=tuple(_accumulate_buckets(counts_by_bucket)),
        latency_sum_seconds=total,
    )


def _accumulate_buckets(counts_by_bucket: list[int]) -> Iterator[tuple[float, int]]:
    total = 0
    for bound, count in zip((*LATENCY_BOUNDS, float("inf")), counts_by_bucket, strict=True):
        total += count
        yield bound, total
