"""The ports of the embedded stack: fixed numbers, changed by environment variables."""

import fcntl
import os
import secrets
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from auteur.devstack.errors import StackError

HOST = "127.0.0.1"
# The stores do not use their usual ports, because the machine may run its own stores. All ports are
# below the range (from 32768) that systems use for outgoing connections.
DEFAULTS = {
    "API_PORT": 8000,
    "LIVE_PORT": 8001,
    "METRICS_PORT": 9464,
    "FLOWER_PORT": 5555,
    "POSTGRES_PORT": 15433,
    "REDIS_PORT": 16380,
    "MONGODB_PORT": 17018,
    "RABBITMQ_PORT": 15673,
}
HIGHEST_PORT = 65535
PROBE_SECONDS = 0.5
QUIET_RANGE = range(20_000, 32_000)


@dataclass(frozen=True)
class Ports:
    """The port of each server of the stack, all on the loopback address."""

    api: int
    live: int
    metrics: int
    flower: int
    postgres: int
    redis: int
    mongodb: int
    rabbitmq: int

    def by_variable(self) -> dict[str, int]:
        """Return each port under the name of the variable that changes it."""
        return {variable: getattr(self, _build_field_name(variable)) for variable in DEFAULTS}


def read_ports(environ: Mapping[str, str]) -> Ports:
    """Return the ports that ``environ`` sets. Raise ``StackError`` if two are the same."""
    ports_by_variable = {
        variable: _parse_port(variable, environ.get(variable) or str(default))
        for variable, default in DEFAULTS.items()
    }
    for variable, port in ports_by_variable.items():
        first_variable = next(name for name, number in ports_by_variable.items() if number == port)
        if first_variable != variable:
            raise StackError(
                f"{first_variable} and {variable} are both {port}: give one another number."
            )
    return Ports(
        **{_build_field_name(variable): port for variable, port in ports_by_variable.items()}
    )


def check_free(ports: Ports) -> None:
    """Raise ``StackError`` if another program listens on one of our ports."""
    for variable, port in ports.by_variable().items():
        if not is_free(port):
            raise StackError(
                f"Port {port} is taken by another program: stop it, "
                f"or choose another port with {variable}=<number>."
            )


def is_free(port: int) -> bool:
    """Return True if nothing listens on ``port`` and we may bind it."""
    with socket.socket() as client:
        client.settimeout(PROBE_SECONDS)
        if client.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
    return True


def find_free_ports(count: int) -> list[int]:
    """Return ports that are free now, all different, for tests and short-lived servers.

    None of them can be given to an outgoing connection before the server binds it, or has been
    returned to another process of this machine.
    """
    numbers: list[int] = []
    for port in secrets.SystemRandom().sample(QUIET_RANGE, len(QUIET_RANGE)):
        if len(numbers) == count:
            break
        if _reserve_port(port) and is_free(port):
            numbers.append(port)
    return numbers


@cache
def _open_reservations() -> IO[bytes]:
    """Return the file with a byte for each port, locked by the process that may use it."""
    path = Path(tempfile.gettempdir()) / f"auteur-ports-{os.geteuid()}"
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")


def _reserve_port(port: int) -> bool:
    """Reserve a port for the life of this process. Return False if another has reserved it."""
    try:
        fcntl.lockf(_open_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _build_field_name(variable: str) -> str:
    return variable.removesuffix("_PORT").lower()


def _parse_port(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= HIGHEST_PORT:
        raise StackError(f"{variable} is {text!r}: give a number from 1 to {HIGHEST_PORT}.")
    return int(text)
