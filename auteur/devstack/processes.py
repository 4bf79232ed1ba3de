"""The processes of Auteur itself, in the one table that the embedded stack runs.

``docker-compose.yml`` runs the same commands. Tests compare the two.
"""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from string import Template

from auteur.devstack.ports import HOST
from auteur.devstack.process import Process

BASE_DIR = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 2.0
PROFILES = "COMPOSE_PROFILES"


@dataclass(frozen=True)
class Program:
    """A row of the table. ``$HOST`` and ``$…_PORT`` in a command stand for the run's values.

    ``needs``, ``uses`` and ``announcement`` are those of `Process`. ``health`` is a path that
    answers 200 once the program works, at the port that the variable before the colon names.
    """

    name: str
    command: str
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    health: str = ""
    announcement: str = ""
    once: bool = False
    unless: str = ""
    """The program does not run if the environment has this ``NAME=value``."""
    profile: str = ""
    """A profile of Compose. If set, the program runs only if ``COMPOSE_PROFILES`` names it."""


# Workers report the end of a call to the API, so the API must stop after them.
PROGRAMS = (
    Program("migrate", "python manage.py migrate --noinput", needs=("postgres",), once=True),
    Program(
        "api",
        "python -m auteur.server auteur.wsgi:application --bind $HOST:$API_PORT"
        " --metrics $HOST:$METRICS_PORT",
        needs=("migrate",),
        uses=("redis", "mongodb"),
        health="API_PORT:/health/live",
    ),
    Program(
        "live",
        "python -m auteur.live --bind $HOST:$LIVE_PORT",
        needs=("migrate",),
        uses=("redis",),
        health="LIVE_PORT:/health/live",
    ),
    Program(
        "orchestrator",
        "python manage.py orchestrate",
        needs=("migrate", "redis"),
        announcement="orchestrator started",
    ),
    Program(
        "worker-steps",
        "python manage.py worker steps",
        needs=("migrate", "redis"),
        uses=("mongodb", "api"),
        announcement=" ready.",
    ),
    Program(
        "worker-cpu",
        "python manage.py worker cpu",
        needs=("migrate", "redis"),
        uses=("api",),
        announcement=" ready.",
    ),
    Program(
        "worker-media",
        "python manage.py worker media",
        needs=("migrate", "redis"),
        announcement=" ready.",
    ),
    Program(
        "webhooks",
        "python manage.py deliver_webhooks",
        needs=("migrate",),
        announcement="webhooks started",
    ),
    Program(
        "streams",
        "python manage.py streams publish",
        needs=("migrate",),
        uses=("redis",),
        announcement="streams started",
        unless="STREAMS_SINK=none",
    ),
    Program(
        "partners",
        "python manage.py partner_consumer",
        needs=("migrate",),
        announcement="partners started",
        profile="partners",
    ),
    Program(
        "flower",
        "celery -A auteur flower --address=$HOST --port=$FLOWER_PORT",
        needs=("redis",),
        health="FLOWER_PORT:/healthcheck",
    ),
)


def list_processes(environment: Mapping[str, str]) -> list[Process]:
    """Return the table as processes on this machine, with the addresses of ``environment``."""
    return [
        Process(
            name=program.name,
            command=build_command(program, environment),
            needs=_list_needs(program, environment),
            uses=program.uses,
            ready=_build_health_check(program, environment),
            announcement=program.announcement,
            once=program.once,
            environment=environment,
            directory=BASE_DIR,
        )
        for program in PROGRAMS
        if not _is_disabled(program, environment)
    ]


def _is_disabled(program: Program, environment: Mapping[str, str]) -> bool:
    if program.profile and program.profile not in environment.get(PROFILES, "").split(","):
        return True
    name, _, value = program.unless.partition("=")
    return bool(name) and environment.get(name) == value


def _list_needs(program: Program, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the needs. With RabbitMQ, a program that needs Redis for Celery needs both."""
    is_amqp = environment.get("BROKER") == "amqp"
    return (*program.needs, "rabbitmq") if is_amqp and "redis" in program.needs else program.needs


def build_command(program: Program, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return a program's command, in the virtual environment of this process."""
    command = Template(program.command).substitute(environment, HOST=HOST)
    first, *arguments = shlex.split(command)
    if first == "python":
        return (sys.executable, *arguments)
    return (str(Path(sys.executable).with_name(first)), *arguments)


def _build_health_check(program: Program, environment: Mapping[str, str]) -> partial[bool] | None:
    variable, _, path = program.health.partition(":")
    return partial(has_ok_answer, int(environment[variable]), path) if variable else None


def has_ok_answer(port: int, path: str) -> bool:
    """Return True if a GET of ``path`` is answered with 200."""
    connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
