"""The wire itself: framing, document sequences, checksums, the old handshake, and abuse."""

import io
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from auteur.devstack.mongod.wire import ProtocolError, read_message

Document = dict[str, Any]
Exchange = Callable[[bytes], Document]

MSG, QUERY, REPLY, COMPRESSED = 2013, 2004, 1, 2012


def frame(payload: bytes, op_code: int = MSG, request_id: int = 77) -> bytes:
    return struct.pack("<iiii", 16 + len(payload), request_id, 0, op_code) + payload


def body(command: Document, flags: int = 0) -> bytes:
    return struct.pack("<I", flags) + b"\x00" + bson.encode(command)


def sequence(name: str, documents: list[bytes]) -> bytes:
    content = name.encode() + b"\x00" + b"".join(documents)
    return b"\x01" + struct.pack("<i", 4 + len(content)) + content


def receive(connection: socket.socket) -> tuple[int, int, bytes]:
    """The response_to, opcode and payload of one message."""
    with connection.makefile("rb") as stream:
        length, _, response_to, op_code = struct.unpack("<iiii", stream.read(16))
        return response_to, op_code, stream.read(length - 16)


@pytest.fixture
def connection(mongodb_uri: str) -> Iterator[socket.socket]:
    address = urlsplit(mongodb_uri.partition(",")[0])
    with socket.create_connection(
        (address.hostname or "localhost", address.port or 27017), timeout=10
    ) as connected:
        yield connected


@pytest.fixture
def exchange(connection: socket.socket) -> Exchange:
    def send(message: bytes) -> Document:
        connection.sendall(message)
        response_to, op_code, payload = receive(connection)
        assert (response_to, op_code, payload[:5]) == (77, MSG, bytes(5))
        return bson.decode(payload[5:])

    return send


def test_the_old_handshake_is_answered_in_kind(connection: socket.socket) -> None:
    query = bson.encode({"isMaster": 1, "helloOk": True})
    connection.sendall(
        frame(struct.pack("<i", 0) + b"admin.$cmd\x00" + struct.pack("<ii", 0, -1) + query, QUERY)
    )
    response_to, op_code, payload = receive(connection)
    _, cursor_id, _, count = struct.unpack_from("<iqii", payload)
    assert (response_to, op_code, cursor_id, count) == (77, REPLY, 0, 1)
    assert bson.decode(payload[20:])["helloOk"] is True


def test_other_commands_are_refused_in_the_old_dialect(connection: socket.socket) -> None:
    query = bson.encode({"find": "clips"})
    connection.sendall(
        frame(struct.pack("<i", 0) + b"db.$cmd\x00" + struct.pack("<ii", 0, -1) + query, QUERY)
    )
    _, op_code, payload = receive(connection)
    assert op_code == REPLY
    assert bson.decode(payload[20:])["code"] == 352


def test_a_document_sequence_is_a_field_of_its_command(
    exchange: Exchange, database: Database[Document]
) -> None:
    documents = [bson.encode({"_id": i}) for i in range(3)]
    command = body({"insert": "clips", "$db": database.name})
    assert exchange(frame(command + sequence("documents", documents)))["n"] == 3
    assert list(database["clips"].find()) == [{"_id": 0}, {"_id": 1}, {"_id": 2}]


def test_a_sequence_may_come_before_the_body(
    exchange: Exchange, database: Database[Document]
) -> None:
    flags, command = struct.pack("<I", 0), body({"insert": "clips", "$db": database.name})[4:]
    reply = exchange(frame(flags + sequence("documents", [bson.encode({"_id": 1})]) + command))
    assert reply["n"] == 1


def test_an_oversize_document_is_refused_by_the_server(
    exchange: Exchange, database: Database[Document]
) -> None:
    big = bson.encode({"_id": 1, "blob": b"x" * (16 * 1024 * 1024)})
    command = body({"insert": "clips", "$db": database.name})
    reply = exchange(frame(command + sequence("documents", [big])))
    errors = reply.get("writeErrors", [reply])
    assert errors[0]["code"] in (2, 10334)
    assert database["clips"].count_documents({}) == 0


def test_more_to_come_is_not_answered(
    connection: socket.socket, exchange: Exchange, database: Database[Document]
) -> None:
    command = {"insert": "clips", "$db": database.name, "writeConcern": {"w": 0}}
    silent = body(command, flags=2) + sequence("documents", [bson.encode({"_id": 1})])
    connection.sendall(frame(silent, request_id=76))
    assert exchange(frame(body({"count": "clips", "$db": database.name})))["n"] == 1


# A real server may answer an error before it closes.
@pytest.mark.usefixtures("embedded_only")
@pytest.mark.parametrize(
    "message",
    [
        struct.pack("<iiii", 48_000_001, 1, 0, MSG),
        struct.pack("<iiii", 3, 1, 0, MSG),
        frame(b"", COMPRESSED),
        frame(struct.pack("<I", 1) + body({"ping": 1, "$db": "admin"})[4:]),
        frame(struct.pack("<I", 0) + b"\x00" + struct.pack("<i", 10) + b"\x7eping\x00"),
    ],
    ids=["too long", "too short", "compressed", "checksum", "broken BSON"],
)
def test_a_broken_protocol_closes_only_its_connection(
    connection: socket.socket, client: MongoClient[Document], message: bytes
) -> None:
    connection.sendall(message)
    assert connection.recv(1) == b""
    assert client.admin.command("ping")["ok"] == 1.0


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("<I", 0),
        body({"insert": "x", "documents": []}) + sequence("documents", []),
        body({"insert": "x"}) + b"\x01\xff\xff\xff\x7f",
        body({"insert": "x"}) + b"\x02",
    ],
    ids=["no flags", "no body", "field twice", "section too long", "unknown kind"],
)
def test_malformed_messages(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(frame(payload)))


def test_a_stream_ends_between_messages_or_in_one() -> None:
    assert read_message(io.BytesIO(b"")) is None
    whole = frame(body({"ping": 1, "$db": "admin"}))
    for cut in (5, 20, len(whole) - 1):
        with pytest.raises(ProtocolError):
            read_message(io.BytesIO(whole[:cut]))
