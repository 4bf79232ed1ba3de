"""Measure `POST /jobs/<feature>` with a key, beside a plain Django view that inserts a row.

Ours: token, user, rate limit (raised), parameters, and the statement that charges and stores the
job with its `Idempotency-Key`. The baseline has none of this: no REST framework, one middleware, no
token; one row with a primary key. Each is served by a separate process in the same way, and
requested in turn. No worker runs the jobs. Last, ours gets half as many requests as it can answer,
each at its due time.
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


def build_submissions(user: stack.User) -> Iterator[bytes]:
    """Yield submissions of one user, each with a new key."""
    while True:
        own = {"Authorization": f"Bearer {user.token}", "Idempotency-Key": uuid.uuid4().hex}
        yield clients.build_request("POST", "/jobs/noop", own, b"{}")


def build_inserts() -> Iterator[bytes]:
    """Yield requests to insert rows."""
    while True:
        yield clients.build_request("POST", "/rows", {}, b"{}")


def measure(
    var: Path, values: Mapping[str, str]
) -> tuple[dict[str, list[tuple[float, float]]], list[float]]:
    """Return the figures of both sides by turn, and the latencies of ours at half load.

    The figures are answers per second and the server's milliseconds for each; the latencies are
    sorted, in seconds.
    """
    settings = stack.settings(
        values,
        RATE_LIMIT="1000000000/minute",
        LOG_LEVEL="ERROR",
        BENCHMARK_DATABASE_URL=values["MIGRATION_DATABASE_URL"],
    )
    plain_url, plain = clients.start_server("plain", settings)
    urls = {"ours": values["PUBLIC_URL"], "plain": plain_url}
    with psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True) as database:
        database.execute(TABLE)
    with stack.run_processes([*stack.list_programs(settings, ("migrate", "api")), plain], var):
        users = stack.make_users(settings, users=CLIENTS, credits=1_000_000)
        results: dict[str, list[tuple[float, float]]] = {side: [] for side in urls}
        requests = {
            "ours": [build_submissions(user) for user in users],
            "plain": [build_inserts() for _ in range(CLIENTS)],
        }
        for side, url in urls.items():
            clients.measure_rate(url, requests[side], seconds=WARM_UP_SECONDS, expected=ACCEPTED)
        for side in TURNS:
            before = clients.read_cpu_seconds(urls[side])
            rate = clients.measure_rate(
                urls[side], requests[side], seconds=SECONDS, expected=ACCEPTED
            )
            cpu = clients.read_cpu_seconds(urls[side]) - before
            results[side].append((rate, 1000 * cpu / (rate * SECONDS)))
        half = statistics.mean(rate for rate, _ in results["ours"]) / 2
        took = clients.measure_latencies(
            urls["ours"],
            requests["ours"],
            per_second=half,
            seconds=HALF_LOAD_SECONDS,
            expected=ACCEPTED,
        )
    return results, took


def main() -> None:
    with stack.run_stores() as (var, values):
        results, took = measure(var, values)
    rates = {side: statistics.mean(rate for rate, _ in turns) for side, turns in results.items()}
    cpu = {side: statistics.mean(ms for _, ms in turns) for side, turns in results.items()}
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
