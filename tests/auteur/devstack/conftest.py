"""A tiny stack in a process of its own."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from auteur.devstack import ports, stack_state
from auteur.devstack.processes import BASE_DIR
from tests.waiting import until

TinyStack = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def redis_port() -> int:
    return ports.find_free_ports(1)[0]


@pytest.fixture
def tiny_stack(var: Path, redis_port: int) -> Iterator[TinyStack]:
    """Start the tiny stack on ``var``; all that it started is ended after the test."""
    started: list[subprocess.Popen[str]] = []
    seen: list[psutil.Process] = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.auteur.devstack.tiny_stack",
            str(var),
            str(redis_port),
        ]
        process = subprocess.Popen(
            [*command, *options],
            cwd=BASE_DIR,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            seen += psutil.Process(process.pid).children(recursive=True)
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    for child in seen:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def wait_until_up(process: subprocess.Popen[str], var: Path) -> list[psutil.Process]:
    """All processes below the supervisor, once it says that all is up."""

    def all_ready() -> bool:
        assert process.poll() is None, process.stdout and process.stdout.read()
        running = stack_state.read_state(var)
        return running is not None and running.supervisor == process.pid and running.ready

    until(all_ready, seconds=20)
    return psutil.Process(process.pid).children(recursive=True)
