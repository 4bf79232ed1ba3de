"""Publish chains and wait for their ends: `python -m benchmarks.contenders.drive NAME [prepare]`.

Prints how many chains were completed per second. The workers run in other processes.
"""

import importlib
import os
import sys
import time

from benchmarks.contenders import DONE, counter

JOBS = int(os.environ.get("BENCHMARK_JOBS", "1000"))
WARM_UP_JOBS = 50
POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 120.0


def main() -> None:
    contender = importlib.import_module(f"benchmarks.contenders.{sys.argv[1]}")
    if sys.argv[2:]:
        contender.prepare()
        return
    _run(contender.submit, WARM_UP_JOBS)
    print(JOBS / _run(contender.submit, JOBS))


def _run(submit: object, jobs: int) -> float:
    """Return the seconds from the first publication to the last end."""
    assert callable(submit)
    counter.delete(DONE)
    started = time.perf_counter()
    for number in range(jobs):
        submit(number)
    while int(counter.get(DONE) or 0) < jobs:
        if time.perf_counter() - started > TIMEOUT_SECONDS:
            raise RuntimeError("the chains were not completed in time")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
