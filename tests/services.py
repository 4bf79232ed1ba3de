"""A pytest plugin: PostgreSQL, Redis and MongoDB, started once and before the settings load.

Whatever ``DATABASE_URL``, ``REDIS_URL`` or ``MONGODB_URI`` already name is used instead. Each
worker of xdist has a Redis and a MongoDB database of its own (in PostgreSQL by pytest-django).
"""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from auteur.devstack import environment, ports, services, stack
from auteur.devstack.errors import StackError
from auteur.devstack.supervisor import Supervisor

pytest_plugins = ["tests.scheduling"]

WORKER_VARIABLE = "PYTEST_XDIST_WORKER"
FOLDER_VARIABLE = "AUTEUR_TEST_FOLDER"
REDIS_DATABASES_VARIABLE = "AUTEUR_TEST_REDIS_DATABASES"
URL_OF_STORE = {"postgres": "DATABASE_URL", "redis": "REDIS_URL", "mongodb": "MONGODB_URI"}
START_SECONDS = 120.0
STOP_SECONDS = 3.0
REDIS_DATABASES_ANYWHERE = 16  # a Redis that we did not start has its default

_cleanups: list[Callable[[], None]] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    """Have the stores ready and named before pytest-django reads the settings."""
    worker = os.environ.get(WORKER_VARIABLE)
    if worker is None:
        _start()
    _take_own_names(worker or "main")
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started; also after Ctrl-C."""
    _stop()


def _start() -> None:
    folder = Path(tempfile.mkdtemp(prefix="auteur-tests-"))
    os.environ[FOLDER_VARIABLE] = str(folder)
    _cleanups.append(lambda: shutil.rmtree(folder, ignore_errors=True))
    atexit.register(_stop)  # where pytest gives up before it is configured
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stack.create_folders(folder)
    numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
    chosen = ports.read_ports(dict(zip(ports.DEFAULTS, numbers, strict=True)))
    values = environment.write_environment(folder, chosen)
    # Tests make and empty their tables. Running stacks and tests of the database have two roles.
    values["DATABASE_URL"] = values.pop("MIGRATION_DATABASE_URL")
    given = [store for store, variable in URL_OF_STORE.items() if variable in os.environ]
    databases = REDIS_DATABASES_ANYWHERE if "redis" in given else services.REDIS_DATABASES
    os.environ[REDIS_DATABASES_VARIABLE] = str(databases)
    for name, value in values.items():
        os.environ.setdefault(name, value)
    try:
        wanted = services.list_stores(folder, chosen, values, throwaway=True, without=given)
        supervisor = Supervisor(wanted, folder / "log", report=lambda line: None)
        _cleanups.append(lambda: supervisor.stop(STOP_SECONDS))
        supervisor.start(START_SECONDS)
    except StackError as exc:
        raise pytest.UsageError(str(exc)) from exc


def _stop() -> None:
    while _cleanups:
        _cleanups.pop()()


def _take_own_names(worker: str) -> None:
    """Give this process a Redis database, a MongoDB database and a storage folder of its own."""
    os.environ.setdefault("CPU_LIMIT", "50")
    os.environ.setdefault("API_PROCESSES", "1")  # tests/auteur/server/test_processes.py has several
    os.environ.setdefault("UNAUTHENTICATED_RATE_LIMIT", "1000000/minute")
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    folder = Path(os.environ[FOLDER_VARIABLE])
    os.environ["REDIS_URL"] = _redis_database(os.environ["REDIS_URL"], number)
    os.environ["MONGODB_DATABASE"] = f"auteur_test_{worker}"
    os.environ["STORAGE_DIR"] = str(folder / f"objects-{worker}")


def _redis_database(url: str, number: int) -> str:
    database = number % int(os.environ[REDIS_DATABASES_VARIABLE])
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
