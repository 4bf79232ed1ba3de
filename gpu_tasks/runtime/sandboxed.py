"""The child of `gpu_tasks.runtime.sandbox`, which says how they speak."""

import errno
import importlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

from gpu_tasks.runtime import confinement
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import EngineError, InputRefusedError, KilledError

BLOCK_BYTES = 256 * 1024
"""Read ahead of the parent's source."""
LIMIT_OF_ERROR = {
    errno.ENOMEM: "memory",
    errno.EFBIG: "file_size",
    errno.EMFILE: "open_files",
}


class Channel:
    """The two pipes: lines of JSON to the parent, bytes from it."""

    def __init__(self, to_parent: int) -> None:
        os.set_inheritable(to_parent, False)
        self._to_parent = os.fdopen(to_parent, "wb", buffering=0)
        self._from_parent = sys.stdin.buffer

    def order(self) -> dict[str, Any]:
        """What is to be done."""
        found: dict[str, Any] = json.loads(self._from_parent.readline())
        return found

    def send(self, line: bytes) -> None:
        """One message."""
        left = memoryview(line + b"\n")
        while left:
            left = left[self._to_parent.write(left) :]

    def tell(self, value: Any) -> None:
        """How far the work is."""
        self.send(json.dumps({"tell": value}).encode())

    def read(self, offset: int, length: int) -> bytes:
        """A part of the source; what is missing in it lies past its end."""
        return self._answer({"read": [offset, length]})

    def ask(self, question: Any) -> bytes:
        """What the parent answers."""
        return self._answer({"ask": question})

    def _answer(self, message: dict[str, Any]) -> bytes:
        self.send(json.dumps(message).encode())
        size = int.from_bytes(self._from_parent.read(8), "big")
        return self._from_parent.read(size)


class _Remote(io.RawIOBase):
    """The parent's source as a file."""

    def __init__(self, channel: Channel, size: int) -> None:
        self._channel = channel
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        found = self._channel.read(self._position, len(buffer))
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)


class _Named(io.BufferedReader):
    """A file with the name that it had outside: FFmpeg guesses at headerless formats by it."""

    def __init__(self, raw: io.RawIOBase, name: str) -> None:
        super().__init__(raw, BLOCK_BYTES)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


def main() -> None:
    """Do what the parent orders, confined."""
    channel = Channel(int(sys.argv[1]))
    order = channel.order()
    limits = Limits(**order["limits"])
    # Threads that libraries start are confined if it is done before; memory is counted after.
    confinement.cut_off(order["parent"], programs=limits.programs)
    module, _, name = order["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    arguments = order["arguments"]
    if order["source"]:
        arguments["source"] = _source(channel, **order["source"])
    if order["tells"]:
        arguments["tell"] = channel.tell
    if order["asks"]:
        arguments["ask"] = channel.ask
    confinement.limit(limits)
    message = json.dumps(_outcome(function, arguments)).encode()
    if len(message) > limits.answer_bytes:
        message = b'{"exceeded": "answer"}'
    channel.send(message)


def _source(channel: Channel, name: str, size: int, descriptor: int | None) -> BinaryIO:
    if descriptor is None:
        return _Named(_Remote(channel, size), name)
    return _Named(io.FileIO(descriptor), name)


def _outcome(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": function(**arguments)}
    except Exception as exc:  # noqa: BLE001 - told to the parent
        if (exceeded := _limit(exc)) is not None:
            return {"exceeded": exceeded}
        if isinstance(exc, InputRefusedError):
            return {"refused": [exc.code, exc.detail]}
        if isinstance(exc, EngineError):
            return {"error": [exc.code, exc.message]}
        if isinstance(exc, KilledError):
            return {"killed": str(exc)}
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return {"full": errno.errorcode[exc.errno]}
        traceback.print_exc()
        return {"failed": type(exc).__name__}


def _limit(exc: BaseException | None) -> str | None:
    """The limit behind an error, however often it was taken for another since."""
    while exc is not None:
        if isinstance(exc, MemoryError):
            return "memory"
        if isinstance(exc, OSError) and exc.errno in LIMIT_OF_ERROR:
            return LIMIT_OF_ERROR[exc.errno]
        exc = exc.__cause__ or exc.__context__
    return None


if __name__ == "__main__":
    main()
