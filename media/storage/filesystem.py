"""Object storage in a folder, for one machine; signed like S3 and served by ourselves."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from gpu_tasks.runtime.errors import AuteurError
from media.storage import (
    InvalidKey,
    ObjectInfo,
    ObjectMissingError,
    ObjectTooLargeError,
    StoredObject,
    checked_key,
    seconds_to_write,
)
from media.storage.multipart import StoredPart
from media.storage.signing import SignedUrls

OBJECTS, CONTENT_TYPES, INCOMING, PARTS = "objects", "content-types", "incoming", "parts"
LABEL = "content-type"
"""Beside the parts of an upload."""
CHUNK_BYTES = 256 * 1024
UNKNOWN_CONTENT_TYPE = "application/octet-stream"


Guard = Callable[[], AbstractContextManager[object]]


class ObjectExistsError(AuteurError):
    """The object may be written once, and was."""


class SignedFileSystemStorage(FileSystemStorage):
    """Objects as files; their content types in files of the same names beside them.

    What is half written lies in a folder of its own, so an object is there whole or not at all.
    """

    def __init__(
        self,
        location: str,
        base_url: str,
        signing_key: str,
        signing_key_fallbacks: Sequence[str] = (),
    ) -> None:
        self.root = Path(location).resolve()
        super().__init__(location=str(self.root / OBJECTS), base_url=base_url)
        self.urls = SignedUrls(
            base_url=base_url, signing_key=signing_key, fallbacks=tuple(signing_key_fallbacks)
        )

    def presigned_put(
        self,
        key: str,
        *,
        content_type: str,
        size_bytes: int | None = None,
        once: bool = False,
        expires: int | None = None,
    ) -> str:
        return self.urls.sign(
            "PUT",
            key,
            expires=seconds_to_write(expires),
            content_type=content_type,
            size_bytes=size_bytes,
            once=1 if once else None,
        )

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        return self.urls.sign("GET", key, expires=_seconds(expires), filename=filename)

    def url(self, name: str | None) -> str:
        """Django's name for a signed GET URL."""
        return self.presigned_get(name or "")

    def probe_source(self, key: str) -> str:
        return str(self._path(OBJECTS, key))

    def head(self, key: str) -> ObjectInfo:
        path = self._path(OBJECTS, key)
        if not path.is_file():
            raise ObjectMissingError
        return ObjectInfo(size_bytes=path.stat().st_size, content_type=self._content_type(key))

    def read(self, key: str, max_bytes: int) -> bytes:
        with self.open_object(key) as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ObjectTooLargeError
        return content

    def read_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        with self.open_object(key) as file:
            file.seek(offset)
            return file.read(size_bytes)

    def write(self, key: str, content: bytes, content_type: str) -> None:
        self.receive(key, [content], content_type=content_type)

    def delete(self, name: str) -> None:
        for kind in (OBJECTS, CONTENT_TYPES):
            self._path(kind, name).unlink(missing_ok=True)

    def begin_parts(self, key: str, *, content_type: str) -> str:
        checked_key(key)
        upload_id = uuid.uuid4().hex
        folder = self._parts_folder(upload_id)
        folder.mkdir(parents=True)
        (folder / LABEL).write_text(content_type)
        return upload_id

    def presigned_part(
        self,
        key: str,
        upload_id: str,
        *,
        number: int,
        size_bytes: int,
        expires: int | None = None,
    ) -> str:
        return self.urls.sign(
            "PUT",
            key,
            expires=seconds_to_write(expires),
            size_bytes=size_bytes,
            upload_id=upload_id,
            part_number=number,
        )

    def write_part(self, key: str, upload_id: str, number: int, content: bytes, /) -> None:
        checked_key(key)
        self.receive_part(upload_id, number, [content])

    def stored_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        checked_key(key)
        folder = self._parts_folder(upload_id)
        try:
            files = {
                int(path.name): path.stat().st_size
                for path in folder.iterdir()
                if path.name != LABEL
            }
            # A listing that was open while the folder went is short of what was removed.
            (folder / LABEL).stat()
        except FileNotFoundError as exc:
            raise ObjectMissingError from exc
        return [StoredPart(number, size, "") for number, size in sorted(files.items())]

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart], /) -> None:
        checked_key(key)
        folder = self._parts_folder(upload_id)
        try:
            content_type = (folder / LABEL).read_text()
            self.receive(
                key,
                _chunks(folder / str(part.number) for part in parts),
                content_type=content_type,
            )
        except FileNotFoundError as exc:
            raise ObjectMissingError from exc
        _remove_at_once(folder)

    def abort_parts(self, key: str, upload_id: str, /) -> None:
        checked_key(key)
        _remove_at_once(self._parts_folder(upload_id))

    def receive_part(
        self,
        upload_id: str,
        number: int,
        chunks: Iterable[bytes],
        *,
        guard: Guard = nullcontext,
    ) -> None:
        """Store a part, in place of an older one; ``ObjectMissingError`` if the upload is over."""
        folder = self._parts_folder(upload_id)
        if not folder.is_dir():
            raise ObjectMissingError
        with self._incoming(chunks) as body, guard():
            try:
                body.replace(folder / str(number))
            except FileNotFoundError as exc:
                raise ObjectMissingError from exc

    def objects(self, prefix: str) -> list[StoredObject]:
        folder = self._path(OBJECTS, prefix.removesuffix("/"))
        return [
            self._stored(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()
        ]

    def page(self, after: str, limit: int) -> list[StoredObject]:
        found = []
        for path in islice(_files_after(self.root / OBJECTS, "", after), limit):
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(self._stored(path, path.stat()))
        return found

    def _stored(self, path: Path, facts: os.stat_result) -> StoredObject:
        return StoredObject(
            key=str(path.relative_to(self.root / OBJECTS)),
            modified_at=datetime.fromtimestamp(facts.st_mtime, UTC),
            size_bytes=facts.st_size,
        )

    def unfinished(self, *, before: datetime) -> list[str]:
        names = []
        for kind in (INCOMING, PARTS):
            with suppress(FileNotFoundError), os.scandir(self.root / kind) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # received meanwhile
                        if entry.stat(follow_symlinks=False).st_mtime <= before.timestamp():
                            names.append(f"{kind}/{entry.name}")
        return names

    def remove_unfinished(self, name: str, /) -> bool:
        path = self.root / checked_key(name)
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except FileNotFoundError:
            return False
        return True

    def check(self) -> None:
        """Raise ``OSError`` unless files can be written."""
        with self._incoming([b"check"]):
            pass

    def open_object(self, key: str) -> BinaryIO:
        """The object's file, to read and close; raises ``ObjectMissingError``."""
        try:
            return self._path(OBJECTS, key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
            raise ObjectMissingError from exc

    def receive(
        self,
        key: str,
        chunks: Iterable[bytes],
        *,
        content_type: str,
        once: bool = False,
        guard: Guard = nullcontext,
    ) -> None:
        """Store what ``chunks`` yield; if they or ``guard`` raise, nothing is stored.

        The object appears inside ``guard``. Raises ``ObjectExistsError`` where ``once`` forbids
        to replace an object.
        """
        path = self._path(OBJECTS, key)
        if once and path.exists():
            raise ObjectExistsError
        kind = [content_type.encode()]
        with self._incoming(chunks) as body, self._incoming(kind) as label, guard():
            self._place(label, self._path(CONTENT_TYPES, key))
            self._place(body, path, once=once)

    @contextmanager
    def _incoming(self, chunks: Iterable[bytes]) -> Iterator[Path]:
        folder = self.root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(chunks)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _place(self, source: Path, target: Path, *, once: bool = False) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not once:
            source.replace(target)
            return
        try:
            target.hardlink_to(source)
        except FileExistsError as exc:
            raise ObjectExistsError from exc

    def _parts_folder(self, upload_id: str) -> Path:
        return self.root / PARTS / checked_key(upload_id)

    def _content_type(self, key: str) -> str:
        try:
            return self._path(CONTENT_TYPES, key).read_text()
        except FileNotFoundError:
            return UNKNOWN_CONTENT_TYPE

    def _path(self, kind: str, key: str) -> Path:
        path = self.root / kind / checked_key(key)
        if path.resolve() != path:
            raise InvalidKey("the key leads through a symbolic link")
        return path


def _seconds(expires: int | None) -> int:
    return settings.PRESIGNED_URL_SECONDS if expires is None else expires


def _files_after(folder: Path, prefix: str, after: str) -> Iterator[Path]:
    """Files with keys after this one, in the order of their keys, by one folder at a time."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in entries
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        key = prefix + name
        if name.endswith("/"):
            if key > after or after.startswith(key):
                yield from _files_after(folder / name, key, after)
        elif key > after:
            yield folder / name


def _chunks(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _remove_at_once(folder: Path) -> None:
    """So that nobody takes what is left of it, while it is removed, for all that has arrived."""
    going = folder.with_name(f"{folder.name}-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)
