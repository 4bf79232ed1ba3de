"""Measure submissions per second through Django, beside the same statement in plain psycopg.

Ours is `jobs.submission.submit`: the price, the statement (key, charge, job, event, usage row) on
Django's connection, and the wake signal. The baseline sends that statement with new ids, also
prepared, in a loop that does nothing else. Both run in the same four client processes in turn, each
client with one connection for each side. PostgreSQL flushes every commit. There is no HTTP, no
orchestrator and no worker.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from auteur.devstack import processes
from benchmarks import report, stack
from benchmarks.stack import CLIENTS

SECONDS = float(os.environ.get("BENCHMARK_LEDGER_SECONDS", "3"))
WARM_UP_SECONDS = 1.0
LEAD_SECONDS = 0.1
ACCOUNTS = 1000
CREDITS = 1_000_000
TURNS = ("django", "psycopg", "psycopg", "django")


@dataclass(frozen=True)
class Cell:
    """One comparison: the number of accounts, and whether submissions have an Idempotency-Key."""

    accounts: int
    keyed: bool

    @property
    def name(self) -> str:
        accounts = "hot account" if self.accounts == 1 else f"{self.accounts} accounts"
        return f"{accounts}, {'with' if self.keyed else 'without'} key"


CELLS = [Cell(accounts, keyed) for accounts in (1, ACCOUNTS) for keyed in (False, True)]


class Client:
    """A `benchmarks.submitter` process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout

    def order(self, order: Mapping[str, object]) -> None:
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()

    def answer(self) -> str:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("a client has ended")
        return line.strip()


@contextmanager
def start_clients(var: Path, settings: Mapping[str, str]) -> Iterator[list[Client]]:
    """Run client processes for users with credits until the block ends."""
    users = stack.make_users(settings, users=ACCOUNTS, credits=CREDITS)
    file = var / "users"
    file.write_text("\n".join(str(user.id) for user in users))
    command = [sys.executable, "-m", "benchmarks.submitter", str(file)]
    with ExitStack() as exits:
        started = []
        for number in range(CLIENTS):
            process = subprocess.Popen(
                [*command, str(number)],
                cwd=processes.BASE_DIR,
                env=dict(settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            exits.enter_context(process)  # closes its pipes, on which it ends, and waits for it
            started.append(Client(process))
        for client in started:
            client.answer()
        yield started


def measure_rate(all_clients: list[Client], way: str, cell: Cell, seconds: float) -> float:
    """Return the jobs per second of all clients together."""
    begin = time.time() + LEAD_SECONDS
    for client in all_clients:
        client.order({"way": way, "begin": begin, "seconds": seconds, **asdict(cell)})
    return sum(float(client.answer()) for client in all_clients)


def measure_both(all_clients: list[Client], cell: Cell) -> tuple[float, float]:
    """Return the jobs per second through Django and by psycopg, in turn after a warm-up of each."""
    for way in set(TURNS):
        measure_rate(all_clients, way, cell, WARM_UP_SECONDS)
    rates: dict[str, list[float]] = {way: [] for way in TURNS}
    for way in TURNS:
        rates[way].append(measure_rate(all_clients, way, cell, SECONDS))
    return statistics.mean(rates["django"]), statistics.mean(rates["psycopg"])


def main() -> None:
    with stack.run_stores() as (var, values):
        settings = stack.settings(values, LOG_LEVEL="WARNING")
        with (
            stack.run_processes(stack.list_programs(settings, ("migrate",)), var),
            start_clients(var, settings) as all_clients,
        ):
            measured = {cell: measure_both(all_clients, cell) for cell in CELLS}
    worst = min(measured, key=lambda cell: measured[cell][0] / measured[cell][1])
    ours, plain = measured[worst]
    report.show(
        benchmark="ledger",
        title=f"Submissions per second, {CLIENTS} client processes, {os.cpu_count()} cores",
        columns=("submitting on", "ours, through Django", "plain psycopg", "ratio"),
        rows=[
            (cell.name, django, psycopg, f"{django / psycopg:.2f}")
            for cell, (django, psycopg) in measured.items()
        ],
        ours=ours,
        baselines={"psycopg": plain},
        worst=worst.name,
        cells={
            cell.name: {"ours": round(django, 1), "psycopg": round(psycopg, 1)}
            for cell, (django, psycopg) in measured.items()
        },
        goal=0.5,
    )


if __name__ == "__main__":
    main()
