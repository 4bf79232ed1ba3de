"""What we say to a server before it knows us, and how long we wait for it."""

import socket
import struct
import threading
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError
from django.db import connection

from auteur.core.database import migration_session

SSL_REQUEST, PROTOCOL = 80877103, 196608
# What PgBouncer takes at the start without being told to ignore it.
TAKEN = {"user", "database", "client_encoding", "datestyle", "timezone", "application_name"}
TAKEN |= {"standard_conforming_strings"}


def test_the_start_tells_nothing_that_a_pooler_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        result: list[dict[str, str]] = []
        thread = threading.Thread(target=lambda: result.append(start_of(server)))
        thread.start()
        place = {"host": "127.0.0.1", "port": server.getsockname()[1]}
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(**(connection.get_connection_params() | place))
        thread.join()
    assert set(result[0]) <= TAKEN
    assert {"user", "database"} <= set(result[0])


def start_of(server: socket.socket) -> dict[str, str]:
    """The parameters of the first start-up message; then the connection is closed."""
    client, _ = server.accept()
    with client, client.makefile("rb") as stream:
        while True:
            size, kind = struct.unpack(">II", stream.read(8))
            body = stream.read(size - 8)
            if kind == PROTOCOL:
                words = body.rstrip(b"\0").decode().split("\0")
                return dict(zip(words[::2], words[1::2], strict=True))
            assert kind == SSL_REQUEST or kind > PROTOCOL
            client.sendall(b"N")


def test_a_database_that_does_not_answer_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    output: list[Any] = []
    monkeypatch.setattr(migration_session, "ANSWER_SECONDS", 0.0)
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    with pytest.raises(CommandError, match="did not answer"):
        migration_session.wait_for_answer("default", output.append)
    monkeypatch.undo()
