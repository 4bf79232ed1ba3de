"""The services of compose as processes of this machine, with what compose and image give them."""

import os
import shlex
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from auteur.devstack import ports
from auteur.devstack.process import Process
from auteur.devstack.processes import PROGRAMS, Program
from auteur.devstack.supervisor import Supervisor
from tests.deploy.container import environment, health, mapped
from tests.deploy.files import services
from tests.deploy.test_compose import PLACES

DATABASE = "auteur_deploy"
START_SECONDS = 300
ANYWHERE = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True)
class Site:
    """Where the image's file system is, and what stands for its containers' places."""

    app: Path
    path: str
    """Where programs are looked for."""
    told: Mapping[str, str]
    """What the operator says."""
    places: Mapping[str, str]
    enter: tuple[str, ...] = ()
    """How a command gets into the file system, where it is not this machine's."""

    def variables(self, service: str) -> dict[str, str]:
        """The environment of a service."""
        values = environment(service, self.told, self.places)
        return values | {"PATH": self.path, "HOSTNAME": socket.gethostname()}

    def run(self, command: str, service: str = "api") -> subprocess.CompletedProcess[str]:
        """Run a line of shell as that service would."""
        return subprocess.run(
            [*self.enter, "sh", "-c", mapped(command, self.places)],
            cwd=self.app,
            env=self.variables(service),
            capture_output=True,
            text=True,
            check=False,
        )

    def url(self, port: str, path: str = "") -> str:
        """An address of the API or of Flower, from outside."""
        return f"http://127.0.0.1:{self.places[PLACES[port]]}{path}"

    def is_healthy(self, service: str) -> bool:
        """Whether the service's own health check passes."""
        return self.run(health(service), service).returncode == 0

    def process(self, program: Program) -> Process:
        """The service of this program, as compose starts it."""
        command = mapped(services()[program.name]["command"], self.places)
        return Process(
            name=program.name,
            command=(*self.enter, *shlex.split(command)),
            needs=tuple(need for need in program.needs if need == "migrate"),
            ready=partial(self.is_healthy, program.name) if program.health else None,
            announcement=program.announcement,
            once=program.once,
            environment=self.variables(program.name),
            directory=self.app,
        )


@contextmanager
def running(site: Site, logs: Path) -> Iterator[Supervisor]:
    """All services of ours."""
    logs.mkdir()
    planned = [site.process(program) for program in PROGRAMS]
    supervisor = Supervisor(planned, logs, report=lambda line: None)
    try:
        supervisor.start(START_SECONDS)
        yield supervisor
    finally:
        supervisor.stop()


def free_places() -> dict[str, str]:
    """For each port of compose a free one of this machine, which alone is listened on."""
    own = dict(zip(PLACES, map(str, ports.find_free_ports(len(PLACES))), strict=True))
    return {place: own[name] for name, place in PLACES.items()} | {ANYWHERE: "127.0.0.1"}


@contextmanager
def database(secrets: Path) -> Iterator[None]:
    """A new database, for the owner of its tables and for the application by secrets of theirs."""
    name = f"{DATABASE}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    admin = os.environ["DATABASE_URL"]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")  # type: ignore[call-overload]
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    owner = urlsplit(admin)._replace(path=f"/{name}")
    place = owner.netloc.rpartition("@")[2]
    (secrets / "migration_database_url").write_text(owner.geturl())
    application = owner._replace(netloc=f"{name}_app:{'s' * 32}@{place}")
    (secrets / "database_url").write_text(application.geturl())
    yield
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
        connection.execute(f"DROP ROLE IF EXISTS {name}_app")  # type: ignore[call-overload]
