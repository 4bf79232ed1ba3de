"""The MongoDB wire protocol: OP_MSG, and OP_QUERY for the handshake of older drivers."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from io import BufferedIOBase
from typing import Final

import bson
from bson.errors import BSONError

from .errors import CommandError, ErrorCode
from .values import CODEC, MAX_COMMAND_BYTES, Document

MAX_MESSAGE_BYTES: Final = 48_000_000

_HEADER: Final = struct.Struct("<iiii")
_UINT32: Final = struct.Struct("<I")
_INT32: Final = struct.Struct("<i")
_REPLY: Final = struct.Struct("<iqii")


class OpCode(IntEnum):
    """The kinds of message that are understood."""

    REPLY = 1
    QUERY = 2004
    MSG = 2013


class Flag(IntFlag):
    """The flag bits of OP_MSG that are understood."""

    CHECKSUM_PRESENT = 1
    MORE_TO_COME = 2


# An unknown flag among the low sixteen must be refused; the high ones may be ignored.
_UNKNOWN_FLAGS: Final = 0xFFFF ^ (Flag.CHECKSUM_PRESENT | Flag.MORE_TO_COME)


class ProtocolError(Exception):
    """The peer does not speak the protocol; its connection must be closed."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One request; `error` replaces the body when its envelope is sound and its BSON is not."""

    request_id: int
    op_code: OpCode
    body: Document
    expects_reply: bool = True
    error: CommandError | None = None


def read_message(stream: BufferedIOBase) -> Message | None:
    """The next request, or None at the end of the stream."""
    header = stream.read(_HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise ProtocolError("the connection ended inside a header")
    length, request_id, _, op_code = _HEADER.unpack(header)
    if not _HEADER.size < length <= MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {length} bytes is outside the limits")
    payload = stream.read(length - _HEADER.size)
    if len(payload) < length - _HEADER.size:
        raise ProtocolError("the connection ended inside a message")
    if op_code == OpCode.MSG:
        return _parse_msg(request_id, header, payload)
    if op_code == OpCode.QUERY:
        return _parse_query(request_id, payload)
    raise ProtocolError(f"opcode {op_code} is not supported")


def encode_reply(message: Message, reply: Document, *, request_id: int) -> bytes:
    """The answer to a message, in the dialect the message came in."""
    body = bson.encode(reply, codec_options=CODEC)
    if len(body) > MAX_COMMAND_BYTES:
        too_large = CommandError(
            ErrorCode.BSONObjectTooLarge, f"a reply of {len(body)} bytes exceeds the limit"
        )
        body = bson.encode(too_large.as_reply())
    if message.op_code == OpCode.QUERY:
        payload, op_code = _REPLY.pack(8, 0, 0, 1) + body, OpCode.REPLY
    else:
        payload, op_code = _UINT32.pack(0) + b"\x00" + body, OpCode.MSG
    length = _HEADER.size + len(payload)
    return _HEADER.pack(length, request_id, message.request_id, op_code) + payload


def _parse_msg(request_id: int, header: bytes, payload: bytes) -> Message:
    if len(payload) < _UINT32.size:
        raise ProtocolError("an OP_MSG without flags")
    (flags,) = _UINT32.unpack_from(payload)
    if flags & _UNKNOWN_FLAGS:
        raise ProtocolError(f"unknown OP_MSG flags {flags:#x}")
    sections = payload[_UINT32.size :]
    if flags & Flag.CHECKSUM_PRESENT:
        sections = sections[: -_UINT32.size]
        (expected,) = _UINT32.unpack(payload[-_UINT32.size :])
        if crc32c(header + payload[: -_UINT32.size]) != expected:
            raise ProtocolError("the checksum of an OP_MSG does not match")
    body, error = _decoded(sections)
    return Message(
        request_id=request_id,
        op_code=OpCode.MSG,
        body=body,
        expects_reply=not flags & Flag.MORE_TO_COME,
        error=error,
    )


def _decoded(sections: bytes) -> tuple[Document, CommandError | None]:
    try:
        return _merge_sections(sections), None
    except BSONError as error:
        return {}, CommandError(ErrorCode.InvalidBSON, str(error))
    except CommandError as error:
        return {}, error


def _merge_sections(data: bytes) -> Document:
    """The body of the kind-0 section with each kind-1 sequence as an array field of it."""
    body: Document | None = None
    sequences: Document = {}
    for kind, section in _sections(data):
        if kind == 0:
            if body is not None:
                raise ProtocolError("an OP_MSG with two bodies")
            body = _decode_body(section)
            continue
        name, _, documents = section[_INT32.size :].partition(b"\x00")
        if (field := name.decode("utf-8", "replace")) in sequences:
            raise ProtocolError(f"an OP_MSG with two sequences named {field!r}")
        sequences[field] = bson.decode_all(documents, CODEC)
    if body is None:
        raise ProtocolError("an OP_MSG without a body")
    if repeated := sequences.keys() & body.keys():
        raise ProtocolError(f"an OP_MSG that gives {repeated.pop()!r} twice")
    return {**body, **sequences}


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        kind = data[offset]
        if kind not in (0, 1) or len(data) < offset + 1 + _INT32.size:
            raise ProtocolError(f"a malformed OP_MSG section of kind {kind}")
        (size,) = _INT32.unpack_from(data, offset + 1)
        end = offset + 1 + size
        if size <= _INT32.size or end > len(data):
            raise ProtocolError(f"an OP_MSG section of {size} bytes")
        yield kind, data[offset + 1 : end]
        offset = end


def _decode_body(raw: bytes) -> Document:
    if len(raw) > MAX_COMMAND_BYTES:
        raise CommandError(
            ErrorCode.BSONObjectTooLarge, f"a command of {len(raw)} bytes exceeds the limit"
        )
    return bson.decode(raw, CODEC)


def _parse_query(request_id: int, payload: bytes) -> Message:
    collection, separator, rest = payload[_INT32.size :].partition(b"\x00")
    if not separator or len(rest) < 3 * _INT32.size:
        raise ProtocolError("a malformed OP_QUERY")
    try:
        # The two integers before the document are skip and limit, meaningless for a command.
        query = next(iter(bson.decode_iter(rest[2 * _INT32.size :], CODEC)))
    except (BSONError, StopIteration) as error:
        raise ProtocolError(f"a malformed OP_QUERY: {error}") from error
    body = query.get("$query", query)
    if not isinstance(body, dict):
        raise ProtocolError("an OP_QUERY without a command")
    body["$db"] = collection.decode("utf-8", "replace").partition(".")[0]
    return Message(request_id=request_id, op_code=OpCode.QUERY, body=body)


def _crc32c_table() -> tuple[int, ...]:
    table = list(range(256))
    for _ in range(8):
        table = [(crc >> 1) ^ (0x82F63B78 if crc & 1 else 0) for crc in table]
    return tuple(table)


_CRC32C: Final = _crc32c_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), the checksum of OP_MSG, which zlib does not have."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
