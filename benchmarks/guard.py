"""Measure the cost of the checks before each request: an empty view beside `/health/live`.

One process serves both with all middleware. Requests of the view have a token, whose user is read,
and count against a raised rate limit. The clients request both in turn.
"""

import os
import statistics
import sys
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path

from benchmarks import clients, report, stack
from benchmarks.stack import CLIENTS

SECONDS = float(os.environ.get("BENCHMARK_GUARD_SECONDS", "4"))
WARM_UP_SECONDS = 1.0
TURNS = ("guarded", "live", "live", "guarded", "guarded", "live")


def measure(var: Path, values: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    """Return answers per second and the server's milliseconds for each, by turn."""
    settings = stack.settings(values, RATE_LIMIT="1000000000/minute", LOG_LEVEL="ERROR")
    url, server = clients.start_server("guarded", settings)
    with stack.run_processes([*stack.list_programs(settings, ("migrate",)), server], var):
        users = stack.make_users(settings, users=CLIENTS, credits=1)
        bearers = [{"Authorization": f"Bearer {user.token}"} for user in users]
        requests = {
            "live": [repeat(clients.build_request("GET", "/health/live", {}))] * CLIENTS,
            "guarded": [
                repeat(clients.build_request("GET", "/noop", bearer)) for bearer in bearers
            ],
        }
        results: dict[str, list[tuple[float, float]]] = {side: [] for side in requests}
        for sent in requests.values():
            clients.measure_rate(url, sent, seconds=WARM_UP_SECONDS, expected=200)
        for side in TURNS:
            before = clients.read_cpu_seconds(url)
            rate = clients.measure_rate(url, requests[side], seconds=SECONDS, expected=200)
            cpu = clients.read_cpu_seconds(url) - before
            results[side].append((rate, 1000 * cpu / (rate * SECONDS)))
    return results


def main() -> None:
    with stack.run_stores() as (var, values):
        results = measure(var, values)
    rates = {side: statistics.mean(rate for rate, _ in turns) for side, turns in results.items()}
    cpu = {side: statistics.mean(ms for _, ms in turns) for side, turns in results.items()}
    report.show(
        benchmark="guard",
        title=f"Requests a second, {CLIENTS} clients, {os.cpu_count()} cores, "
        f"Python {sys.version_info.major}.{sys.version_info.minor}",
        columns=("what", "requests/s", "ms of processor time"),
        rows=[
            (
                "a view that does nothing, for whoever is signed in",
                rates["guarded"],
                cpu["guarded"],
            ),
            ("/health/live", rates["live"], cpu["live"]),
        ],
        ours=rates["guarded"],
        baselines={"live": rates["live"]},
        cpu_ms={side: round(ms, 3) for side, ms in cpu.items()},
        goal=0.65,
    )


if __name__ == "__main__":
    main()
