"""The MongoDB wire protocol: OP_MSG, and OP_QUERY for the first words of a driver."""

import struct
from io import BufferedIOBase
from typing import Final, NamedTuple

import bson
from bson.errors import BSONError

from .errors import not_implemented
from .values import CODEC, Document

MAX_MESSAGE_BYTES: Final = 48_000_000
REPLY, QUERY, MSG = 1, 2004, 2013

_MORE_TO_COME: Final = 2
_LOW_FLAGS: Final = 0xFFFF  # those that nobody may ignore
_HEADER: Final = struct.Struct("<iiii")
_REPLY: Final = struct.Struct("<iqii")
_INT: Final = struct.Struct("<i")


class ProtocolError(Exception):
    """The peer does not speak the protocol; its connection must be closed."""


class Message(NamedTuple):
    """One request."""

    request_id: int
    is_query: bool
    body: Document
    expects_reply: bool = True


def read_message(stream: BufferedIOBase) -> Message | None:
    """The next request, or None at the end of the stream."""
    header = stream.read(_HEADER.size)
    if not header:
        return None
    try:
        length, request_id, _, op_code = _HEADER.unpack(header)
        if not _HEADER.size < length <= MAX_MESSAGE_BYTES or op_code not in (QUERY, MSG):
            raise ProtocolError(f"a message of opcode {op_code} with {length} bytes")
        payload = stream.read(length - _HEADER.size)
        if len(payload) < length - _HEADER.size:
            raise ProtocolError("the connection ended inside a message")
        return (_parse_msg if op_code == MSG else _parse_query)(request_id, payload)
    except (struct.error, BSONError, RecursionError, ValueError) as error:
        raise ProtocolError(f"a malformed message: {error}") from error


def encode_reply(message: Message, reply: Document, request_id: int) -> bytes:
    """The answer to a message, in the dialect the message came in."""
    body = bson.encode(reply, codec_options=CODEC)
    if len(body) > MAX_MESSAGE_BYTES - 100:
        body = bson.encode(not_implemented(f"a reply of {len(body)} bytes").reply)
    prefix = _REPLY.pack(8, 0, 0, 1) if message.is_query else bytes(5)
    size = _HEADER.size + len(prefix) + len(body)
    op_code = REPLY if message.is_query else MSG
    return _HEADER.pack(size, request_id, message.request_id, op_code) + prefix + body


def _parse_msg(request_id: int, payload: bytes) -> Message:
    """Flags, one section of kind 0 with the command, sections of kind 1 with arrays of it."""
    (flags,) = _INT.unpack_from(payload)
    if flags & _LOW_FLAGS & ~_MORE_TO_COME:
        raise ProtocolError(f"the flags {flags:#x} of an OP_MSG are not supported")
    body: Document = {}
    sequences: Document = {}
    offset = _INT.size
    while offset < len(payload):
        kind = payload[offset]
        (size,) = _INT.unpack_from(payload, offset + 1)
        section = payload[offset + 1 : offset + 1 + size]
        if kind not in (0, 1) or size <= _INT.size or len(section) < size:
            raise ProtocolError(f"a section of kind {kind} with {size} bytes in an OP_MSG")
        if kind == 0:
            body |= bson.decode(section, CODEC)
        else:
            name, _, documents = section[_INT.size :].partition(b"\x00")
            sequences[name.decode()] = bson.decode_all(documents, CODEC)
        offset += 1 + size
    if not body or sequences.keys() & body.keys():
        raise ProtocolError("an OP_MSG without a command, or that says something twice")
    return Message(request_id, False, body | sequences, not flags & _MORE_TO_COME)


def _parse_query(request_id: int, payload: bytes) -> Message:
    """Flags, the name of a collection, skip and limit, the command."""
    collection, _, rest = payload[_INT.size :].partition(b"\x00")
    body = bson.decode(rest[2 * _INT.size :], CODEC)
    return Message(request_id, True, {**body, "$db": collection.decode().partition(".")[0]})
