"""Run stores and processes for benchmarks, create users, and submit over HTTP."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from auteur.devstack import environment, ports, processes, services
from auteur.devstack.process import Process
from auteur.devstack.stack import create_folders
from auteur.devstack.supervisor import Supervisor
from jobs.states import literals

CLIENTS = 8
TIMEOUT_SECONDS = 300.0
POLL_SECONDS = 0.05
RUNS_HERE = ("migrate", "api", "orchestrator", "worker-steps")


@contextmanager
def run_stores(without: Collection[str] = ()) -> Iterator[tuple[Path, dict[str, str]]]:
    """Run PostgreSQL, Redis and MongoDB in a new folder, as durable as by default."""
    with tempfile.TemporaryDirectory(prefix="auteur-benchmark-") as folder:
        var = Path(folder)
        create_folders(var)
        numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
        chosen = ports.read_ports(dict(zip(ports.DEFAULTS, numbers, strict=True)))
        values = environment.write_environment(var, chosen)
        store_processes = services.list_stores(
            var, chosen, values, throwaway=False, without=without
        )
        with run_processes(store_processes, var):
            yield var, values


@contextmanager
def run_processes(wanted_processes: Sequence[Process], var: Path) -> Iterator[Supervisor]:
    """Run these processes until the block ends, and restart those that die."""
    supervisor = Supervisor(wanted_processes, var / "log", lambda line: None)
    with ThreadPoolExecutor(1) as thread:  # one for all: a child goes with the thread that began it
        try:
            thread.submit(supervisor.start).result()
            thread.submit(supervisor.run)
            yield supervisor
        finally:
            supervisor.request_stop()
            thread.submit(supervisor.stop).result()


def settings(values: Mapping[str, str], **changed: str) -> dict[str, str]:
    """Return the environment of our processes, with a feature and a backend that do nothing."""
    own = {
        "INFERENCE_BACKEND": "benchmarks.echo.EchoBackend",
        "GPU_CALLBACK_URL": f"{values['PUBLIC_URL']}/internal/gpu-callback",
    }
    return environment.build_child_environment({**values, **own, **changed}, os.environ)


def list_programs(settings: Mapping[str, str], names: Collection[str] = RUNS_HERE) -> list[Process]:
    """Return these processes of Auteur, without their dependencies on each other."""
    return [
        replace(process, needs=tuple(set(process.needs) & set(names)), uses=())
        for process in processes.list_processes(settings)
        if process.name in names
    ]


def build_process(name: str, settings: Mapping[str, str]) -> Process:
    """Return ``python -m benchmarks.<name>`` as a process."""
    return Process(
        name=name,
        command=(sys.executable, "-m", f"benchmarks.{name}"),
        environment=settings,
        directory=processes.BASE_DIR,
    )


def run_manage(settings: Mapping[str, str], *arguments: str) -> str:
    """Return the output of ``manage.py``; raise ``RuntimeError`` with it if it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]}: {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout


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
    print(user.pk, tokens.issue_token(user_id=user.pk, email=user.email, lifetime=lifetime))
"""


@dataclass(frozen=True)
class User:
    """A user who can submit jobs."""

    id: uuid.UUID
    token: str


def make_users(settings: Mapping[str, str], *, users: int, credits: int) -> list[User]:
    """Create users with this many credits each."""
    script = MAKE_USERS.format(users=users, credits=credits)
    lines = run_manage(settings, "shell", "-v", "0", "-c", script).splitlines()
    return [User(uuid.UUID(user_id), token) for user_id, token in map(str.split, lines)]


def submit(url: str, users: Sequence[User], path: str, bodies: Sequence[Any]) -> list[Any]:
    """POST each body once by clients in threads; return the answers in no order."""
    address = urlsplit(url)
    numbers = iter(range(len(bodies)))
    lock = threading.Lock()
    responses = []

    def client() -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            headers = {
                "Authorization": f"Bearer {users[number % len(users)].token}",
                "Content-Type": "application/json",
                "Idempotency-Key": uuid.uuid4().hex,
            }
            connection.request("POST", path, json.dumps(bodies[number]), headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != http.client.ACCEPTED:
                raise RuntimeError(f"submission answered {response.status}: {body!r}")
            responses.append(json.loads(body))

    with ThreadPoolExecutor(CLIENTS) as threads:
        for done in [threads.submit(client) for _ in range(CLIENTS)]:
            done.result()
    return responses


def count_completed(database: psycopg.Connection) -> int:
    """Return the number of completed jobs."""
    statement = "SELECT count(*) FROM jobs WHERE status = {COMPLETED}".format_map(literals())
    row = database.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def wait_until(
    done: Callable[[], bool],
    *,
    seconds: float = TIMEOUT_SECONDS,
    interval: float = POLL_SECONDS,
) -> None:
    """Wait until ``done`` returns True; raise ``RuntimeError`` if that takes too long."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError("the benchmark did not finish in time")
        time.sleep(interval)
