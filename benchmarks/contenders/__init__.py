"""Other task queues, each with a chain of steps that do nothing: what `benchmarks.peers` measures.

They run in an environment of their own (`make bench-peers`), and know nothing of ours.
"""

import os

import redis

STEPS = 3
BROKER = os.environ.get("BENCHMARK_BROKER", "redis://localhost")
DATABASE = os.environ.get("BENCHMARK_DATABASE", "")
DONE = "benchmark:contender"

counter = redis.Redis.from_url(BROKER)


def done() -> None:
    """Count a chain that has come to its end."""
    counter.incr(DONE)
