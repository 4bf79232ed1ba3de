"""Jobs per second through the whole stack, beside a bare Celery chain and the textbook way.

Ours: HTTP submission to `completed`, with PostgreSQL, Redis, tokens, throttle, idempotency keys,
ledger and events in the path; the engine does nothing and answers by a signed HTTP callback for
every job. All of it, the clients included, shares this machine's cores. The rate limit is raised.
The baselines are published in process: they have no HTTP in their path.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from auteur.devstack import environment, ports, processes, services, stack
from auteur.devstack.process import Process
from auteur.devstack.supervisor import Supervisor
from benchmarks import report

JOBS = int(os.environ.get("BENCHMARK_JOBS", "600"))
CLIENTS = 8
USERS = 20
WORKERS = 2
TIMEOUT_SECONDS = 300.0
POLL_SECONDS = 0.05
PLUGINS = processes.BASE_DIR / "tests" / "plugins"
RUNS_HERE = ("migrate", "api", "orchestrator", "worker-steps")


@contextmanager
def stores() -> Iterator[tuple[Path, dict[str, str]]]:
    """PostgreSQL, Redis and MongoDB in a folder of their own, as durable as by default."""
    with tempfile.TemporaryDirectory(prefix="auteur-benchmark-") as folder:
        var = Path(folder)
        stack.make_folders(var)
        numbers = map(str, ports.free_ports(len(ports.DEFAULTS)))
        chosen = ports.read(dict(zip(ports.DEFAULTS, numbers, strict=True)))
        values = environment.prepare(var, chosen)
        supervisor = Supervisor(
            services.stores(var, chosen, values, throwaway=False), var / "log", lambda line: None
        )
        try:
            supervisor.start()
            yield var, values
        finally:
            supervisor.stop()


@contextmanager
def running(wanted: list[Process], var: Path) -> Iterator[None]:
    """These processes, until the block ends."""
    supervisor = Supervisor(wanted, var / "log", lambda line: None)
    try:
        supervisor.start()
        yield
    finally:
        supervisor.stop()


def ours(var: Path, values: Mapping[str, str], *, batch: int, events: bool) -> tuple[float, float]:
    """Jobs per second and median seconds from submission to `completed`."""
    settings = environment.of_children(
        {
            **values,
            "AUTEUR_PLUGINS": str(PLUGINS),
            "INFERENCE_BACKEND": "benchmarks.echo.EchoBackend",
            "GPU_CALLBACK_URL": f"{values['PUBLIC_URL']}/internal/gpu-callback",
            "RATE_LIMIT": "1000000/minute",
            "MAX_IDS_PER_MESSAGE": str(batch),
            "WORKER_EVENTS": str(events),
            "WORKER_CONCURRENCY": str(WORKERS),
            "CPU_LIMIT": "1000000",
            "LOG_LEVEL": "WARNING",
        },
        os.environ,
    )
    programs = [
        replace(p, needs=tuple(set(p.needs) & set(RUNS_HERE)), uses=())
        for p in processes.to_run(settings)
        if p.name in RUNS_HERE
    ]
    echo = Process(
        name="echo",
        command=(sys.executable, "-m", "benchmarks.echo"),
        environment=settings,
        directory=processes.BASE_DIR,
    )
    with running([*programs, echo], var):
        tokens = _users(settings)
        with psycopg.connect(values["DATABASE_URL"], autocommit=True) as database:
            before = _completed(database)
            started = time.perf_counter()
            _submit_all(values["PUBLIC_URL"], tokens)
            _wait(lambda: _completed(database) - before >= JOBS)
            seconds = time.perf_counter() - started
            took = database.execute(
                "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY completed_at - created_at)"
                " FROM (SELECT * FROM jobs ORDER BY created_at DESC LIMIT %s) AS latest",
                [JOBS],
            ).fetchone()
    assert took is not None
    return JOBS / seconds, took[0].total_seconds()


MAKE_USERS = """
import datetime
import uuid
from django.db import transaction
from accounts import signup, tokens
from credits import ledger
for number in range({users}):
    user = signup.sign_up(user_id=uuid.uuid4(), email=f"{{uuid.uuid4()}}@example.com")
    with transaction.atomic():
        ledger.grant(user_id=user.pk, amount={credits})
    lifetime = datetime.timedelta(hours=1)
    print(tokens.issue(user_id=user.pk, email=user.email, lifetime=lifetime))
"""


def _users(settings: Mapping[str, str]) -> list[str]:
    """Tokens of new users with credits enough."""
    script = MAKE_USERS.format(users=USERS, credits=JOBS)
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", script],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def _submit_all(url: str, tokens: list[str]) -> None:
    address = urlsplit(url)
    numbers = iter(range(JOBS))
    lock = threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            headers = {
                "Authorization": f"Bearer {tokens[number % len(tokens)]}",
                "Content-Type": "application/json",
                "Idempotency-Key": uuid.uuid4().hex,
            }
            connection.request("POST", "/jobs/noop", b"{}", headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.client.ACCEPTED:
                raise RuntimeError(f"submission answered {answer.status}: {body!r}")

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _completed(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM jobs WHERE status = 'completed'").fetchone()
    assert row is not None
    return int(row[0])


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while not done():
        if time.monotonic() > end:
            raise RuntimeError("the benchmark did not come to its end")
        time.sleep(POLL_SECONDS)


def _worker(app: str, settings: Mapping[str, str]) -> Process:
    command = [sys.executable, "-m", "celery", "--app", app, "worker"]
    command += ["--concurrency", str(WORKERS), "--loglevel", "WARNING", "--without-gossip"]
    return Process(
        name=app.rsplit(".", 1)[-1],
        command=tuple(command),
        environment=settings,
        directory=processes.BASE_DIR,
    )


def baseline(var: Path, values: Mapping[str, str], name: str) -> float:
    """Jobs per second of `benchmarks.bare` or `benchmarks.textbook`, in a process of its own."""
    settings = environment.of_children(
        {**values, "BENCHMARK_BROKER": values["REDIS_URL"], "LOG_LEVEL": "WARNING"}, os.environ
    )
    with running([_worker(f"benchmarks.{name}", settings)], var):
        time.sleep(3)  # the worker has no health check of its own
        command = [sys.executable, "-m", "benchmarks.lifecycle", name]
        done = subprocess.run(
            command,
            cwd=processes.BASE_DIR,
            env=settings,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.split()[-1])


def run_bare() -> float:
    """Publish the chains and wait for the last step of each."""
    from benchmarks import bare

    counter = redis.Redis.from_url(os.environ["BENCHMARK_BROKER"])
    counter.delete(bare.DONE)
    started = time.perf_counter()
    for number in range(JOBS):
        bare.submit(number)
    _wait(lambda: int(counter.get(bare.DONE) or 0) >= JOBS)
    return JOBS / (time.perf_counter() - started)


def run_textbook() -> float:
    """Submit and wait until all are saved as completed."""
    from benchmarks import textbook

    account_id = textbook.make_tables()
    started = time.perf_counter()
    for _ in range(JOBS):
        textbook.submit(account_id)
    _wait(lambda: textbook.completed() >= JOBS)
    return JOBS / (time.perf_counter() - started)


def main() -> None:
    """Measure, and print the ratios."""
    with ExitStack() as exits:
        var, values = exits.enter_context(stores())
        batched = [ours(var, values, batch=50, events=False) for _ in range(2)]
        single, single_p50 = ours(var, values, batch=1, events=False)
        watched, watched_p50 = ours(var, values, batch=50, events=True)
        bare = baseline(var, values, "bare")
        textbook = baseline(var, values, "textbook")
    rate = statistics.mean(each[0] for each in batched)
    p50 = statistics.mean(each[1] for each in batched)
    report.show(
        benchmark="lifecycle",
        title=f"Jobs per second, {JOBS} jobs, {os.cpu_count()} cores shared by all",
        columns=("way", "jobs/s", "p50 s under this load"),
        rows=[
            ("ours, up to 50 ids a message", rate, p50),
            ("ours, one id a message", single, single_p50),
            ("ours, with worker events", watched, watched_p50),
            ("bare Celery chain of 4 no-op steps", bare, ""),
            ("textbook: ORM get/save, .delay(), result backend", textbook, ""),
        ],
        ours=rate,
        baselines={"bare": bare, "textbook": textbook},
        batch_of_one=round(single, 1),
        with_events=round(watched, 1),
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print({"bare": run_bare, "textbook": run_textbook}[sys.argv[1]]())
    else:
        main()
