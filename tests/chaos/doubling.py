"""Redis traffic with every queued message twice: ``LPUSH queue m`` becomes ``LPUSH queue m m``."""

from collections.abc import Callable

ARRAY = b"*"
LINE_END = b"\r\n"
PUSH = b"LPUSH"
PUSH_WORDS = 3


class Doubling:
    """Changes the commands of one connection; the number of answers stays the same."""

    def __init__(self, is_on: Callable[[], bool]) -> None:
        self._is_on = is_on
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        """What to send on for ``data``; a command cut in two waits for its rest."""
        self._held += data
        sent = b""
        while (size := _command_size(self._held)) is not None:
            command, self._held = self._held[:size], self._held[size:]
            sent += _doubled(command) if self._is_on() else command
        return sent


def _doubled(command: bytes) -> bytes:
    words = _words(command)
    if len(words) != PUSH_WORDS or words[0].upper() != PUSH or not words[2].startswith(b"{"):
        return command
    return _encoded([*words, words[2]])


def _command_size(data: bytes) -> int | None:
    """How long the first command (an array of bulk strings) is; None while it is incomplete."""
    try:
        end = data.index(LINE_END)
        if not data.startswith(ARRAY):
            return end + len(LINE_END)
        position = end + len(LINE_END)
        for _ in range(int(data[1:end])):
            end = data.index(LINE_END, position)
            position = end + len(LINE_END) + int(data[position + 1 : end]) + len(LINE_END)
    except ValueError:
        return None
    return position if position <= len(data) else None


def _words(command: bytes) -> list[bytes]:
    words = []
    position = command.index(LINE_END) + len(LINE_END)
    while position < len(command):
        end = command.index(LINE_END, position)
        start = end + len(LINE_END)
        length = int(command[position + 1 : end])
        words.append(command[start : start + length])
        position = start + length + len(LINE_END)
    return words


def _encoded(words: list[bytes]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)
