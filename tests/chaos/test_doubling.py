"""Queued messages are pushed twice, wherever the bytes are cut; all else passes as it is."""

import pytest

from tests.chaos.doubling import Doubling

PUSH = b'*3\r\n$5\r\nLPUSH\r\n$4\r\njobs\r\n$14\r\n{"body": "\r\n"}\r\n'
PUSHED_TWICE = (
    b'*4\r\n$5\r\nLPUSH\r\n$4\r\njobs\r\n$14\r\n{"body": "\r\n"}\r\n$14\r\n{"body": "\r\n"}\r\n'
)
WAKE = b"*3\r\n$5\r\nLPUSH\r\n$11\r\nauteur:wake\r\n$1\r\n1\r\n"
POP = b"*3\r\n$5\r\nBRPOP\r\n$4\r\njobs\r\n$1\r\n1\r\n"


def test_a_message_is_pushed_twice() -> None:
    assert Doubling(lambda: True)(PUSH) == PUSHED_TWICE


def test_nothing_is_changed_while_it_is_off() -> None:
    assert Doubling(lambda: False)(PUSH) == PUSH


@pytest.mark.parametrize("command", [WAKE, POP, b"PING\r\n"])
def test_other_commands_pass(command: bytes) -> None:
    assert Doubling(lambda: True)(command) == command


@pytest.mark.parametrize("size", [1, 7, 40])
def test_commands_may_come_in_pieces(size: int) -> None:
    doubling, stream = Doubling(lambda: True), POP + PUSH + WAKE
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert b"".join(map(doubling, pieces)) == POP + PUSHED_TWICE + WAKE
