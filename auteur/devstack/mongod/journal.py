"""The write-ahead journal: every change appended before it is acknowledged.

A record reaches the operating system before the client hears of it, so nothing acknowledged is
lost when the server is killed. It is not synced to the disk (unless a write asks for `j: true`):
a power failure may cost the last seconds, as this is a development server.
"""

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from .errors import CommandError, ErrorCode

logger = logging.getLogger(__name__)

_MAGIC: Final = b"auteur mongod journal 1\n"
_LENGTHS: Final = struct.Struct("<II")
_CHECK: Final = struct.Struct("<I")
_HEADER_BYTES: Final = _LENGTHS.size + _CHECK.size


class JournalError(Exception):
    """The data folder cannot be used: locked, damaged or not ours."""


class Journal:
    """One append-only file of checksummed records, in a folder that this process locks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock_folder(folder)
        self._path = folder / "journal.bin"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._fd).st_size
        self._compacted_size = 0

    def replay(self) -> Iterator[bytes]:
        """Every whole record in order; cuts off a last one that a crash left unfinished."""
        with self._path.open("rb") as stream:
            magic = stream.read(len(_MAGIC))
            if magic != _MAGIC[: len(magic)]:
                raise JournalError(f"{self._path} is not a journal of this server")
            if len(magic) < len(_MAGIC):
                self._restart()
                return
            whole = stream.tell()
            while record := _read_record(stream, self._path):
                whole = stream.tell()
                yield record
        if whole < self.size:
            logger.warning("dropping %d bytes of an unfinished write", self.size - whole)
            self._truncate(whole)

    def append(self, payload: bytes) -> None:
        """Hand one record to the operating system, wholly or (on a full disk) not at all."""
        record = _frame(payload)
        try:
            _write_all(self._fd, record, at=self.size)
        except OSError as error:
            self._truncate(self.size)
            raise CommandError(
                ErrorCode.OutOfDiskSpace, f"the journal cannot grow: {error.strerror}"
            ) from error
        self.size += len(record)

    def rewrite(self, payloads: Iterable[bytes]) -> None:
        """Replace all records by these, atomically: a crash leaves the old file or the new."""
        fresh = self._path.with_suffix(".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, _MAGIC, at=0)
            size = len(_MAGIC)
            for payload in payloads:
                record = _frame(payload)
                _write_all(fd, record, at=size)
                size += len(record)
            os.fsync(fd)
            fresh.replace(self._path)
        except OSError:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise
        os.close(self._fd)
        self._fd, self.size, self._compacted_size = fd, size, size

    def outgrown(self, floor_bytes: int) -> bool:
        """Whether more than half of the journal, beyond a floor, is history."""
        return self.size > 2 * self._compacted_size + floor_bytes

    def postpone_rewrite(self) -> None:
        """After a failed rewrite, wait until the journal has doubled again."""
        self._compacted_size = self.size

    def sync(self) -> None:
        """Wait until the disk itself has every record."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Release the file and the lock on the folder."""
        os.close(self._fd)
        os.close(self._lock)

    def _restart(self) -> None:
        self._truncate(0)
        _write_all(self._fd, _MAGIC, at=0)
        self.size = len(_MAGIC)

    def _truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self.size = size


def _lock_folder(folder: Path) -> int:
    fd = os.open(folder / "mongod.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalError("the folder is in use by another server") from error
    return fd


def _frame(payload: bytes) -> bytes:
    lengths = _LENGTHS.pack(len(payload), zlib.crc32(payload))
    return lengths + _CHECK.pack(zlib.crc32(lengths)) + payload


def _write_all(fd: int, data: bytes, *, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written


def _read_record(stream: BinaryIO, path: Path) -> bytes | None:
    """The next record, or None where the file ends, be it in the middle of one."""
    start = stream.tell()
    header = stream.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return None
    length, checksum = _LENGTHS.unpack_from(header)
    if _CHECK.unpack_from(header, _LENGTHS.size) != (zlib.crc32(header[: _LENGTHS.size]),):
        raise _damaged(path, start)
    payload = stream.read(length)
    if len(payload) < length:
        return None
    if zlib.crc32(payload) != checksum:
        raise _damaged(path, start)
    return payload


def _damaged(path: Path, position: int) -> JournalError:
    return JournalError(f"{path} is damaged at byte {position}; move it away to start with no data")
