"""Run other task queues, each with chains of steps that do nothing (`benchmarks.peers`).

They run in a separate environment (`make bench-peers`) and import nothing of ours.
"""

import os

import redis

STEPS = 3
BROKER = os.environ.get("BENCHMARK_BROKER", "redis://localhost")
DATABASE = os.environ.get("BENCHMARK_DATABASE", "")
DONE = "benchmark:contender"

counter = redis.Redis.from_url(BROKER)


def count_done() -> None:
    """Count a completed chain."""
    counter.incr(DONE)
