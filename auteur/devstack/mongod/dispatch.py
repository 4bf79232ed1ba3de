"""From a request to its reply: which handler, with which fields, and how errors are told."""

import logging
from typing import Any, Final

from . import admin, catalog, reads, writes
from .engine import Command, Engine, Request
from .errors import CommandError, ErrorCode, not_implemented
from .values import Document

logger = logging.getLogger(__name__)

COMMANDS: Final[dict[str, Command]] = {
    **admin.COMMANDS,
    **catalog.COMMANDS,
    **reads.COMMANDS,
    **writes.COMMANDS,
}

_HANDSHAKES: Final = frozenset({"hello", "isMaster", "ismaster"})
# Every command takes these: sessions and read concerns promise nothing a lone server, which runs
# one command at a time, does not keep anyway.
_GENERIC_FIELDS: Final = frozenset(
    {
        "$db",
        "lsid",
        "$clusterTime",
        "$readPreference",
        "readConcern",
        "writeConcern",
        "comment",
        "maxTimeMS",
        "apiVersion",
        "apiStrict",
        "apiDeprecationErrors",
    }
)
_TRANSACTION_FIELDS: Final = ("txnNumber", "startTransaction", "autocommit")


def execute(engine: Engine, request: Request, *, legacy: bool = False) -> Document:
    """The reply document to a request; an error is a reply too, never an exception."""
    try:
        if legacy and request.name not in _HANDSHAKES:
            raise CommandError(
                ErrorCode.UnsupportedOpQueryCommand,
                f"Unsupported OP_QUERY command: {request.name}. The client driver may require "
                "an upgrade.",
            )
        return {**_run(engine, request), "ok": 1.0}
    except CommandError as error:
        return error.as_reply()
    except RecursionError:
        return CommandError(ErrorCode.Overflow, "a document is nested too deeply").as_reply()
    except Exception:
        logger.exception("command %s failed", request.name)
        return CommandError(ErrorCode.InternalError, "internal error, see the log").as_reply()


def _run(engine: Engine, request: Request) -> Document:
    _refuse_transaction(request)
    command = COMMANDS.get(request.name)
    if command is None:
        raise CommandError(ErrorCode.CommandNotFound, f"no such command: '{request.name}'")
    _check_fields(request, command)
    concern = request.document("writeConcern")
    _check_write_concern(concern)
    reply = command.handler(engine, request)
    if concern.get("j"):
        engine.store.sync()
    return reply


def _refuse_transaction(request: Request) -> None:
    if any(name in request.body for name in _TRANSACTION_FIELDS):
        raise CommandError(
            ErrorCode.IllegalOperation,
            "Transaction numbers are only allowed on a replica set member or mongos",
        )


def _check_fields(request: Request, command: Command) -> None:
    """Refuses what would change the result and is not understood."""
    known = {request.name, *command.fields.split(), *command.ignored.split()}
    refused = set(command.refused.split())
    for name, value in request.body.items():
        if name in known or name in _GENERIC_FIELDS:
            continue
        if name not in refused:
            raise CommandError(
                ErrorCode.Location40415, f"BSON field '{request.name}.{name}' is an unknown field."
            )
        if _asks_for_something(value):
            raise not_implemented(f"the option '{name}' of {request.name}")


def _asks_for_something(value: Any) -> bool:
    return value not in (None, False, 0, {}, []) and value != {"locale": "simple"}


def _check_write_concern(concern: Document) -> None:
    wanted = concern.get("w", 1)
    if isinstance(wanted, int) and wanted > 1:
        raise CommandError(ErrorCode.BadValue, "cannot use 'w' > 1 when a host is not replicated")
    if isinstance(wanted, str) and wanted != "majority":
        raise CommandError(
            ErrorCode.UnknownReplWriteConcern, f"No write concern mode named '{wanted}' found"
        )
