"""The child process of `gpu_tasks.runtime.sandbox`, which describes the protocol."""

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
"""Read-ahead from the parent's source."""
LIMIT_OF_ERROR = {
    errno.ENOMEM: "memory",
    errno.EFBIG: "file_size",
    errno.EMFILE: "open_files",
}


class Channel:
    """The two pipes: lines of JSON to the parent, bytes from the parent."""

    def __init__(self, to_parent: int) -> None:
        os.set_inheritable(to_parent, False)
        self._to_parent = os.fdopen(to_parent, "wb", buffering=0)
        self._from_parent = sys.stdin.buffer

    def order(self) -> dict[str, Any]:
        """Read the order of the parent."""
        order: dict[str, Any] = json.loads(self._from_parent.readline())
        return order

    def send(self, line: bytes) -> None:
        """Send one message."""
        remaining = memoryview(line + b"\n")
        while remaining:
            remaining = remaining[self._to_parent.write(remaining) :]

    def tell(self, value: Any) -> None:
        """Report progress to the parent."""
        self.send(json.dumps({"tell": value}).encode())

    def read(self, offset: int, length: int) -> bytes:
        """Read a part of the source; bytes past its end are missing."""
        return self._send_request({"read": [offset, length]})

    def ask(self, question: Any) -> bytes:
        """Return the parent's answer to a question."""
        return self._send_request({"ask": question})

    def _send_request(self, message: dict[str, Any]) -> bytes:
        self.send(json.dumps(message).encode())
        size = int.from_bytes(self._from_parent.read(8), "big")
        return self._from_parent.read(size)


class _RemoteFile(io.RawIOBase):
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
        content = self._channel.read(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


class _NamedFile(io.BufferedReader):
    """A file with its name outside the sandbox, by which FFmpeg guesses headerless formats."""

    def __init__(self, raw: io.RawIOBase, name: str) -> None:
        super().__init__(raw, BLOCK_BYTES)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


def main() -> None:
    """Run the parent's order, confined."""
    channel = Channel(int(sys.argv[1]))
    order = channel.order()
    limits = Limits(**order["limits"])
    # This comes before imports, so that threads of libraries are confined. The memory limit comes
    # after them, so that it does not count the libraries.
    confinement.isolate(order["parent"], programs=limits.programs)
    module, _, name = order["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    arguments = order["arguments"]
    if order["source"]:
        arguments["source"] = _open_source(channel, **order["source"])
    if order["tells"]:
        arguments["tell"] = channel.tell
    if order["asks"]:
        arguments["ask"] = channel.ask
    confinement.limit(limits)
    message = json.dumps(_run_function(function, arguments)).encode()
    if len(message) > limits.answer_bytes:
        message = b'{"exceeded": "answer"}'
    channel.send(message)


def _open_source(channel: Channel, name: str, size: int, descriptor: int | None) -> BinaryIO:
    if descriptor is None:
        return _NamedFile(_RemoteFile(channel, size), name)
    return _NamedFile(io.FileIO(descriptor), name)


def _run_function(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": function(**arguments)}
    except Exception as exc:  # noqa: BLE001 - reported to the parent
        if (exceeded := _find_limit(exc)) is not None:
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


def _find_limit(exc: BaseException | None) -> str | None:
    """Return the limit behind an error or its causes, or None."""
    while exc is not None:
        if isinstance(exc, MemoryError):
            return "memory"
        if isinstance(exc, OSError) and exc.errno in LIMIT_OF_ERROR:
            return LIMIT_OF_ERROR[exc.errno]
        exc = exc.__cause__ or exc.__context__
    return None


if __name__ == "__main__":
    main()
