"""Commands about the server itself: the handshake, and what monitoring asks."""

import os
import platform
import time
from datetime import UTC, datetime
from typing import Final

from .engine import Command, Engine, Request
from .errors import CommandError, ErrorCode
from .values import MAX_DOCUMENT_BYTES, Document
from .wire import MAX_MESSAGE_BYTES
from .writes import MAX_BATCH

# What we answer follows the commands of this release; wire version 17 belongs to it.
VERSION: Final = "6.0.0"
_MAX_WIRE_VERSION: Final = 17
_PARAMETERS: Final[Document] = {"featureCompatibilityVersion": {"version": "6.0"}}


def _hello(engine: Engine, request: Request) -> Document:
    """The handshake of a writable standalone server without compression or authentication."""
    primary = "isWritablePrimary" if request.name == "hello" else "ismaster"
    return {
        "helloOk": True,
        primary: True,
        "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
        "maxMessageSizeBytes": MAX_MESSAGE_BYTES,
        "maxWriteBatchSize": MAX_BATCH,
        "localTime": datetime.now(UTC),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": request.connection_id,
        "minWireVersion": 0,
        "maxWireVersion": _MAX_WIRE_VERSION,
        "readOnly": False,
    }


def _build_info(_engine: Engine, _request: Request) -> Document:
    return {
        "version": VERSION,
        "versionArray": [*map(int, VERSION.split(".")), 0],
        "gitVersion": "embedded",
        "modules": ["auteur-embedded"],
        "storageEngines": ["mongomock"],
        "bits": 64,
        "debug": False,
        "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
    }


def _server_status(engine: Engine, _request: Request) -> Document:
    return {
        "host": engine.address,
        "version": VERSION,
        "process": "auteur-mongod",
        "pid": os.getpid(),
        "uptime": round(time.time() - engine.started_at, 3),
        "localTime": datetime.now(UTC),
        "connections": {"current": engine.connections},
        "metrics": {"cursor": {"open": {"total": len(engine.cursors)}}},
        "storageEngine": {"name": "mongomock", "persistent": True},
    }


def _host_info(_engine: Engine, _request: Request) -> Document:
    return {
        "system": {
            "currentTime": datetime.now(UTC),
            "hostname": platform.node(),
            "cpuAddrSize": 64,
            "numCores": os.cpu_count() or 1,
            "cpuArch": platform.machine(),
        },
        "os": {"type": platform.system(), "name": platform.system(), "version": platform.release()},
        "extra": {},
    }


def _get_parameter(_engine: Engine, request: Request) -> Document:
    if request.body["getParameter"] == "*":
        return {**_PARAMETERS}
    found = {name: value for name, value in _PARAMETERS.items() if name in request.body}
    if not found:
        raise CommandError(ErrorCode.InvalidOptions, "no option found to get")
    return found


def _acknowledge(_engine: Engine, _request: Request) -> Document:
    return {}


_HANDSHAKE: Final = Command(
    _hello,
    ignored="helloOk client compression hostInfo internalClient saslSupportedMechs "
    "speculativeAuthenticate loadBalanced topologyVersion maxAwaitTimeMS backpressure",
)

COMMANDS: Final = {
    "hello": _HANDSHAKE,
    "isMaster": _HANDSHAKE,
    "ismaster": _HANDSHAKE,
    "ping": Command(_acknowledge),
    # Sessions hold no state here, so ending one is nothing to do.
    "endSessions": Command(_acknowledge),
    "buildInfo": Command(_build_info),
    "buildinfo": Command(_build_info),
    "hostInfo": Command(_host_info),
    "serverStatus": Command(_server_status, ignored="repl metrics locks recordStats"),
    "getParameter": Command(_get_parameter, fields=" ".join(_PARAMETERS)),
}
