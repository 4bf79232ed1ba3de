"""What the guard of each request costs: an authenticated view that does nothing ÷ `/health/live`.

Both are served by one process with all middleware; the view's requests bring a token, whose user is
read, and count against a rate limit, which is raised. Clients ask each in turns.
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
    """Answers a second, and milliseconds of the server's processor time for each, by turn."""
    settings = stack.settings(values, RATE_LIMIT="1000000000/minute", LOG_LEVEL="ERROR")
    url, server = clients.server("guarded", settings)
    with stack.running([*stack.programs(settings, ("migrate",)), server], var):
        users = stack.make_users(settings, users=CLIENTS, credits=1)
        bearers = [{"Authorization": f"Bearer {user.token}"} for user in users]
        asked = {
            "live": [repeat(clients.request("GET", "/health/live", {}))] * CLIENTS,
            "guarded": [repeat(clients.request("GET", "/noop", bearer)) for bearer in bearers],
        }
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in asked}
        for sent in asked.values():
            clients.rate(url, sent, seconds=WARM_UP_SECONDS, expected=200)
        for side in TURNS:
            before = clients.cpu_seconds(url)
            rate = clients.rate(url, asked[side], seconds=SECONDS, expected=200)
            cpu = clients.cpu_seconds(url) - before
            found[side].append((rate, 1000 * cpu / (rate * SECONDS)))
    return found


def main() -> None:
    with stack.stores() as (var, values):
        found = measure(var, values)
    rates = {side: statistics.mean(rate for rate, _ in turns) for side, turns in found.items()}
    cpu = {side: statistics.mean(ms for _, ms in turns) for side, turns in found.items()}
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
