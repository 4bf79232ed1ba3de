"""PostgreSQL goes back to a minute ago, as docs/operations.md says to do it."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from auteur.devstack import postgres, stack_state
from auteur.devstack.environment import POSTGRES_USER
from auteur.devstack.ports import HOST
from auteur.devstack.process import Process
from tests.chaos.stack import ChaosStack
from tests.waiting import until

LOST_SECONDS = 60.0
LOST_JOBS = 2
"""At least so many are submitted in the time that is lost."""
NEW_EPOCH = "events_new_epoch"


def restore_a_minute_ago(stack: ChaosStack, seconds: float = LOST_SECONDS) -> float:
    """Take a base backup, let time and jobs pass, and put it in the place of the database."""
    begin = time.time()
    backup = stack.var / "backup"
    _take_backup(stack, backup)
    saved = _count_jobs(stack)
    time.sleep(seconds)
    until(lambda: _count_jobs(stack) >= saved + LOST_JOBS)
    now = time.time()
    with _everything_killed(stack):
        data = stack.var / "postgres"
        data.rename(stack.var / "postgres.lost")
        backup.rename(data)
        with _postgres_alone(stack):
            stack.manage(NEW_EPOCH)
        stack.lost = begin, time.time()
    stack.wait_until_ready()
    shutil.rmtree(stack.var / "postgres.lost")
    return now


def _count_jobs(stack: ChaosStack) -> int:
    with stack.database() as database:
        row = database.execute("SELECT count(*) FROM jobs").fetchone()
    return row[0] if row else 0


def _take_backup(stack: ChaosStack, folder: Path) -> None:
    program = Path(stack.process("postgres").exe()).with_name("pg_basebackup")
    address = ("-h", HOST, "-p", stack.env["POSTGRES_PORT"], "-U", POSTGRES_USER)
    options = ("-D", str(folder), "--wal-method=stream", "--checkpoint=fast", "--no-sync")
    password = {"PGPASSWORD": stack.env["POSTGRES_PASSWORD"]}
    subprocess.run([program, *address, *options], env=os.environ | password, check=True)
    account = postgres.get_server_account()
    if account.uid is not None and account.gid is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _server(stack: ChaosStack) -> Process:
    return postgres.build_process(
        data=stack.var / "postgres",
        port=int(stack.env["POSTGRES_PORT"]),
        password=stack.env["POSTGRES_PASSWORD"],
    )


@contextlib.contextmanager
def _everything_killed(stack: ChaosStack) -> Iterator[None]:
    """Kill our processes and PostgreSQL; start them again on the way out."""
    victims = [stack.process(name) for name in (*stack.ours, "postgres")]
    victims += [child for victim in victims for child in victim.children(recursive=True)]
    stack.hold_supervisor()
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    until(lambda: not any(map(stack_state.is_alive, victims)))
    try:
        yield
    finally:
        stack.release_supervisor()


@contextlib.contextmanager
def _postgres_alone(stack: ChaosStack) -> Iterator[None]:
    server = _server(stack)
    account = postgres.get_server_account()
    process = subprocess.Popen(
        server.command,
        cwd=server.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=account.uid,
        group=account.gid,
        extra_groups=[] if account.uid is not None else None,
    )
    try:
        assert server.ready is not None
        until(server.ready)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
