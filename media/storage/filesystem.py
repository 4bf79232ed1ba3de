"""Store objects in a folder of one machine, with signed URLs that we serve ourselves."""

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
    check_key,
    get_write_seconds,
)
from media.storage.multipart import StoredPart
from media.storage.signing import SignedUrls

OBJECTS, CONTENT_TYPES, INCOMING, PARTS = "objects", "content-types", "incoming", "parts"
LABEL = "content-type"
"""The file with the content type, next to the parts of an upload."""
CHUNK_BYTES = 256 * 1024
UNKNOWN_CONTENT_TYPE = "application/octet-stream"


Guard = Callable[[], AbstractContextManager[object]]


class ObjectExistsError(AuteurError):
    """Raised if an object that may be written once exists already."""


class SignedFileSystemStorage(FileSystemStorage):
    """A storage with objects as files, and their content types in files of the same names.

    Unfinished writes are in a separate folder, so an object exists completely or not at all.
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
            expires=get_write_seconds(expires),
            content_type=content_type,
            size_bytes=size_bytes,
            once=1 if once else None,
        )

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        seconds = settings.PRESIGNED_URL_SECONDS if expires is None else expires
        return self.urls.sign("GET", key, expires=seconds, filename=filename)

    def url(self, name: str | None) -> str:
        """Return a signed GET URL, under Django's name for it."""
        return self.presigned_get(name or "")

    def probe_source(self, key: str) -> str:
        return str(self._get_path(OBJECTS, key))

    def head(self, key: str) -> ObjectInfo:
        path = self._get_path(OBJECTS, key)
        if not path.is_file():
            raise ObjectMissingError
        return ObjectInfo(size_bytes=path.stat().st_size, content_type=self._read_content_type(key))

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
            self._get_path(kind, name).unlink(missing_ok=True)

    def begin_parts(self, key: str, *, content_type: str) -> str:
        check_key(key)
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
            expires=get_write_seconds(expires),
            size_bytes=size_bytes,
            upload_id=upload_id,
            part_number=number,
        )

    def write_part(self, key: str, upload_id: str, number: int, content: bytes, /) -> None:
        check_key(key)
        self.receive_part(upload_id, number, [content])

    def list_stored_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        check_key(key)
        folder = self._parts_folder(upload_id)
        try:
            files = {
                int(path.name): path.stat().st_size
                for path in folder.iterdir()
                if path.name != LABEL
            }
            # A listing is incomplete if the folder was removed meanwhile; then this raises.
            (folder / LABEL).stat()
        except FileNotFoundError as exc:
            raise ObjectMissingError from exc
        return [StoredPart(number, size, "") for number, size in sorted(files.items())]

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart], /) -> None:
        check_key(key)
        folder = self._parts_folder(upload_id)
        try:
            content_type = (folder / LABEL).read_text()
            self.receive(
                key,
                _read_chunks(folder / str(part.number) for part in parts),
                content_type=content_type,
            )
        except FileNotFoundError as exc:
            raise ObjectMissingError from exc
        _remove_folder_atomically(folder)

    def abort_parts(self, key: str, upload_id: str, /) -> None:
        check_key(key)
        _remove_folder_atomically(self._parts_folder(upload_id))

    def receive_part(
        self,
        upload_id: str,
        number: int,
        chunks: Iterable[bytes],
        *,
        guard: Guard = nullcontext,
    ) -> None:
        """Store or replace a part; raises ``ObjectMissingError`` if the upload is over."""
        folder = self._parts_folder(upload_id)
        if not folder.is_dir():
            raise ObjectMissingError
        with self._write_incoming(chunks) as body, guard():
            try:
                body.replace(folder / str(number))
            except FileNotFoundError as exc:
                raise ObjectMissingError from exc

    def list_objects(self, prefix: str) -> list[StoredObject]:
        folder = self._get_path(OBJECTS, prefix.removesuffix("/"))
        return [
            self._build_stored_object(path, path.stat())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]

    def list_page(self, after: str, limit: int) -> list[StoredObject]:
        objects = []
        for path in islice(_iterate_files_after(self.root / OBJECTS, "", after), limit):
            with suppress(FileNotFoundError):  # It was removed meanwhile.
                objects.append(self._build_stored_object(path, path.stat()))
        return objects

    def _build_stored_object(self, path: Path, stat: os.stat_result) -> StoredObject:
        return StoredObject(
            key=str(path.relative_to(self.root / OBJECTS)),
            modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
            size_bytes=stat.st_size,
        )

    def list_unfinished(self, *, before: datetime) -> list[str]:
        names = []
        for kind in (INCOMING, PARTS):
            with suppress(FileNotFoundError), os.scandir(self.root / kind) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # It was received meanwhile.
                        if entry.stat(follow_symlinks=False).st_mtime <= before.timestamp():
                            names.append(f"{kind}/{entry.name}")
        return names

    def remove_unfinished(self, name: str, /) -> bool:
        path = self.root / check_key(name)
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except FileNotFoundError:
            return False
        return True

    def check(self) -> None:
        """Raise ``OSError`` unless files can be written."""
        with self._write_incoming([b"check"]):
            pass

    def open_object(self, key: str) -> BinaryIO:
        """Open the object's file, which the caller closes, or raise ``ObjectMissingError``."""
        try:
            return self._get_path(OBJECTS, key).open("rb")
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
        """Store the bytes of ``chunks``; if they or ``guard`` raise, nothing is stored.

        The object is put in place inside ``guard``. With ``once``, raises ``ObjectExistsError``
        instead of replacing an object.
        """
        path = self._get_path(OBJECTS, key)
        if once and path.exists():
            raise ObjectExistsError
        label_chunks = [content_type.encode()]
        with (
            self._write_incoming(chunks) as body_path,
            self._write_incoming(label_chunks) as label_path,
            guard(),
        ):
            self._move_into_place(label_path, self._get_path(CONTENT_TYPES, key))
            self._move_into_place(body_path, path, once=once)

    @contextmanager
    def _write_incoming(self, chunks: Iterable[bytes]) -> Iterator[Path]:
        folder = self.root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(chunks)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _move_into_place(self, source: Path, target: Path, *, once: bool = False) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not once:
            source.replace(target)
            return
        try:
            target.hardlink_to(source)
        except FileExistsError as exc:
            raise ObjectExistsError from exc

    def _parts_folder(self, upload_id: str) -> Path:
        return self.root / PARTS / check_key(upload_id)

    def _read_content_type(self, key: str) -> str:
        try:
            return self._get_path(CONTENT_TYPES, key).read_text()
        except FileNotFoundError:
            return UNKNOWN_CONTENT_TYPE

    def _get_path(self, kind: str, key: str) -> Path:
        path = self.root / kind / check_key(key)
        if path.resolve() != path:
            raise InvalidKey("the key leads through a symbolic link")
        return path


def _iterate_files_after(folder: Path, prefix: str, after: str) -> Iterator[Path]:
    """Yield the files with keys after this one in key order, reading one folder at a time."""
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
                yield from _iterate_files_after(folder / name, key, after)
        elif key > after:
            yield folder / name


def _read_chunks(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _remove_folder_atomically(folder: Path) -> None:
    # Rename it first, so that no reader takes a partly removed folder for a complete one.
    doomed = folder.with_name(f"{folder.name}-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
