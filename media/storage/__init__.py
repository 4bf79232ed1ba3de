"""Define one interface to the object storage: the file system, AWS S3 or a compatible service.

Clients never send bytes through the API: they PUT to and GET from signed URLs that expire.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import storages

from gpu_tasks.runtime.errors import AuteurError
from media.storage.multipart import StoredPart

MAX_KEY_LENGTH = 512
SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._=-]*"
KEY_PATTERN = re.compile(rf"{SEGMENT}(?:/{SEGMENT})*")

MAX_WRITE_LIFETIME = timedelta(days=2)
"""The longest life of a signed URL to write to. Older leftovers cannot be written again."""

STORAGE_ERRORS = (OSError, BotoCoreError, ClientError)
"""The exceptions that a storage in an outage raises; not ``ObjectMissingError``."""


class InvalidKey(SuspiciousFileOperation):
    """Raised for a key that none of our code makes: absolute, hidden, or with odd characters."""


class ObjectMissingError(AuteurError):
    """Raised if no object has the key."""


class ObjectTooLargeError(AuteurError):
    """Raised if the object has more bytes than the caller allows."""


@dataclass(frozen=True)
class ObjectInfo:
    """The properties of an object that the storage knows."""

    size_bytes: int
    content_type: str


@dataclass(frozen=True)
class StoredObject:
    """One object in a listing."""

    key: str
    modified_at: datetime
    size_bytes: int


class ObjectStorage(Protocol):
    """The methods of a storage. ``expires`` is in seconds, by default ``PRESIGNED_URL_SECONDS``."""

    def presigned_put(
        self,
        key: str,
        *,
        content_type: str,
        size_bytes: int | None = None,
        once: bool = False,
        expires: int | None = None,
    ) -> str:
        """Return a URL to PUT one object to, with exactly this content type and, if set, size.

        With ``once`` it cannot replace an object (412), and the client must send
        ``If-None-Match: *``.
        """
        ...

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        """Return a URL to GET the object from; browsers save it as ``filename``."""
        ...

    def probe_source(self, key: str) -> str:
        """Return what PyAV can open to read the object: a local path or a signed URL."""
        ...

    def head(self, key: str) -> ObjectInfo:
        """Return the object's properties, or raise ``ObjectMissingError``."""
        ...

    def read(self, key: str, max_bytes: int) -> bytes:
        """Return a small object; raises ``ObjectMissingError`` and ``ObjectTooLargeError``."""
        ...

    def read_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """Return a range of an object, cut at its end; raises ``ObjectMissingError``.

        ``offset`` must lie before the object's end.
        """
        ...

    def write(self, key: str, content: bytes, content_type: str) -> None:
        """Store a small object, and replace an older one."""
        ...

    def delete(self, key: str, /) -> None:
        """Delete the object; a missing one is no error."""
        ...

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts, and return its id."""
        ...

    def presigned_part(
        self,
        key: str,
        upload_id: str,
        *,
        number: int,
        size_bytes: int,
        expires: int | None = None,
    ) -> str:
        """Return a URL to PUT one part of exactly this size to; a repeated PUT replaces it."""
        ...

    def write_part(self, key: str, upload_id: str, number: int, content: bytes, /) -> None:
        """Store or replace a part; raises ``ObjectMissingError`` if the upload is over."""
        ...

    def list_stored_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """Return the stored parts by number; ``ObjectMissingError`` if the upload is over."""
        ...

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart], /) -> None:
        """Join the parts to the object; raises ``ObjectMissingError`` if the upload is over."""
        ...

    def abort_parts(self, key: str, upload_id: str, /) -> None:
        """Delete the stored parts; an upload that is over is no error."""
        ...

    def list_objects(self, prefix: str) -> list[StoredObject]:
        """Return all objects in a folder, such as ``users/1/renders/2/``."""
        ...

    def list_page(self, after: str, limit: int) -> list[StoredObject]:
        """Return objects of the whole storage with keys after this one, in byte order.

        Returns at most ``limit`` (up to 1000), and an empty list at the end.
        """
        ...

    def list_unfinished(self, *, before: datetime) -> list[str]:
        """Return the names of unfinished writes that have not changed since ``before``."""
        ...

    def remove_unfinished(self, name: str, /) -> bool:
        """Delete an unfinished write; return False if it does not exist any more."""
        ...

    def check(self) -> None:
        """Raise one of ``STORAGE_ERRORS`` unless the storage works."""
        ...


def is_refusal(exc: Exception) -> bool:
    """Return True if the storage refused a request permanently, False for an outage."""
    if not isinstance(exc, ClientError):
        return False
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return 400 <= status < 500 and status not in (408, 429)


def object_storage() -> ObjectStorage:
    """Return the storage of the settings."""
    return cast(ObjectStorage, storages["default"])


def get_write_seconds(expires: int | None) -> int:
    """Return the life of a URL to write to; raises ``ValueError`` above ``MAX_WRITE_LIFETIME``."""
    seconds: int = settings.PRESIGNED_URL_SECONDS if expires is None else expires
    if seconds > MAX_WRITE_LIFETIME.total_seconds():
        raise ValueError("a URL to write to would live too long")
    return seconds


def check_key(key: str) -> str:
    """Return the key if its form is valid, or raise ``InvalidKey``."""
    if len(key) > MAX_KEY_LENGTH or not KEY_PATTERN.fullmatch(key):
        raise InvalidKey("not an object key")
    return key
