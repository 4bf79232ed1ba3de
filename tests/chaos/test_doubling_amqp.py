"""Publications come twice, wherever the bytes are cut; all else passes as it is."""

import struct

import pytest

from tests.chaos.doubling_amqp import BODY, HEADER, METHOD, AmqpDoubling

START = b"AMQP\x00\x00\x09\x01"


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"


def publication(exchange: bytes, *body: bytes) -> bytes:
    method = struct.pack(">HHHB", 60, 40, 0, len(exchange)) + exchange + b"\x04jobs\x00"
    header = struct.pack(">HHQH", 60, 0, sum(map(len, body)), 0)
    return b"".join(
        [frame(METHOD, method), frame(HEADER, header), *(frame(BODY, part) for part in body)]
    )


ONE, OF_TWO_PARTS = publication(b"", b"{}"), publication(b"", b"{", b"}\xce")
DECLARE = frame(METHOD, struct.pack(">HH", 50, 10) + b"jobs")
EVENT = publication(b"celeryev", b"{}")


def test_a_message_is_published_twice() -> None:
    assert AmqpDoubling(lambda: True)(START + ONE) == START + ONE + ONE


def test_nothing_is_changed_while_it_is_off() -> None:
    assert AmqpDoubling(lambda: False)(ONE) == ONE


@pytest.mark.parametrize("size", [1, 7, 40])
def test_frames_may_come_in_pieces(size: int) -> None:
    doubling, stream = AmqpDoubling(lambda: True), START + DECLARE + OF_TWO_PARTS + EVENT + ONE
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    expected = START + DECLARE + OF_TWO_PARTS * 2 + EVENT + ONE * 2
    assert b"".join(map(doubling, pieces)) == expected
