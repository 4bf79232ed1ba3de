"""`POST /jobs/<feature>` with an `Idempotency-Key`, beside a plain Django view that inserts a row.

Ours: token, user, rate limit (raised), parameters, and the statement that charges and stores the
job with its key. The baseline has none of it: no REST framework, one middleware, no token; one row
with a primary key. Each is served by a process of its own, alike, and asked in turns. Nobody works
on the jobs. Last, ours is asked half as often as it can answer, each request at its time.
"""

import os
import statistics
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from benchmarks import clients, report, stack
from benchmarks.stack import CLIENTS

SECONDS = float(os.environ.get("BENCHMARK_SUBMISSION_SECONDS", "4"))
WARM_UP_SECONDS = 1.0
TURNS = ("ours", "plain", "plain", "ours", "ours", "plain")
HALF_LOAD_SECONDS = 2 * SECONDS
ACCEPTED = 202
TABLE = "CREATE TABLE benchmark_rows (id uuid PRIMARY KEY, body jsonb NOT NULL)"


def by_us(user: stack.User) -> Iterator[bytes]:
    """Submissions of one user, each with a key of its own."""
    while True:
        own = {"Authorization": f"Bearer {user.token}", "Idempotency-Key": uuid.uuid4().hex}
        yield clients.request("POST", "/jobs/noop", own, b"{}")


def plainly() -> Iterator[bytes]:
    """Rows to insert."""
    while True:
        yield clients.request("POST", "/rows", {}, b"{}")


def measure(
    var: Path, values: Mapping[str, str]
) -> tuple[dict[str, list[tuple[float, float]]], list[float]]:
    """By side and turn, answers a second and milliseconds of the server's processor time for each;
    and the seconds that ours took at half load, sorted.
    """
    settings = stack.settings(
        values,
        RATE_LIMIT="1000000000/minute",
        LOG_LEVEL="ERROR",
        BENCHMARK_DATABASE_URL=values["MIGRATION_DATABASE_URL"],
    )
    plain_url, plain = clients.server("plain", settings)
    urls = {"ours": values["PUBLIC_URL"], "plain": plain_url}
    with psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True) as database:
        database.execute(TABLE)
    with stack.running([*stack.programs(settings, ("migrate", "api")), plain], var):
        users = stack.make_users(settings, users=CLIENTS, credits=1_000_000)
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in urls}
        asked = {
            "ours": [by_us(user) for user in users],
            "plain": [plainly() for _ in range(CLIENTS)],
        }
        for side, url in urls.items():
            clients.rate(url, asked[side], seconds=WARM_UP_SECONDS, expected=ACCEPTED)
        for side in TURNS:
            before = clients.cpu_seconds(urls[side])
            rate = clients.rate(urls[side], asked[side], seconds=SECONDS, expected=ACCEPTED)
            cpu = clients.cpu_seconds(urls[side]) - before
            found[side].append((rate, 1000 * cpu / (rate * SECONDS)))
        half = statistics.mean(rate for rate, _ in found["ours"]) / 2
        took = clients.latencies(
            urls["ours"],
            asked["ours"],
            per_second=half,
            seconds=HALF_LOAD_SECONDS,
            expected=ACCEPTED,
        )
    return found, took


def main() -> None:
    with stack.stores() as (var, values):
        found, took = measure(var, values)
    rates = {side: statistics.mean(rate for rate, _ in turns) for side, turns in found.items()}
    cpu = {side: statistics.mean(ms for _, ms in turns) for side, turns in found.items()}
    p50, p99 = (1000 * took[int(len(took) * share)] for share in (0.5, 0.99))
    report.show(
        benchmark="submission",
        title=f"Submissions a second, {CLIENTS} clients, {os.cpu_count()} cores, "
        f"Python {sys.version_info.major}.{sys.version_info.minor}",
        columns=("what", "requests/s", "ms of processor time"),
        rows=[
            ("POST /jobs/noop with a key", rates["ours"], cpu["ours"]),
            ("a plain view that inserts a row", rates["plain"], cpu["plain"]),
            (f"ours at half load: p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", ""),
        ],
        ours=rates["ours"],
        baselines={"plain": rates["plain"]},
        cpu_ms={side: round(ms, 3) for side, ms in cpu.items()},
        half_load_ms={"p50": round(p50, 1), "p99": round(p99, 1)},
        goal=0.5,
    )


if __name__ == "__main__":
    main()
