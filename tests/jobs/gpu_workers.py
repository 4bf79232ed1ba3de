"""Workers of the role `gpu`, as processes of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from auteur.devstack.processes import BASE_DIR
from tests.waiting import until

READY_SECONDS = 60.0
STOP_SECONDS = 20.0


@contextmanager
def gpu_worker(log: Path, gpu_class: str, **variables: str) -> Iterator[None]:
    """A worker that takes the calls of a class, whose GPU is a CPU here."""
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "gpu", "--class", gpu_class],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
                "LOCAL_GPU_DEVICE": "cpu",
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: " ready." in log.read_text(), READY_SECONDS)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
