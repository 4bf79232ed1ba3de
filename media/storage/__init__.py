"""Object storage: one interface over the file system, AWS S3 and what speaks like it.

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

ARCHIVE = "archive"
"""The folder of rows that are archived: for no client, so no URL of it is signed."""

LONGEST_WRITE = timedelta(days=2)
"""No signed URL to write to lives longer: after it, what is left behind is not written again."""

STORAGE_ERRORS = (OSError, BotoCoreError, ClientError)
"""What a storage raises when it does not work; ``ObjectMissingError`` is not among them."""


class InvalidKey(SuspiciousFileOperation):
    """A key that none of our code makes: absolute, hidden, climbing out, or with odd characters."""


class ObjectMissingError(AuteurError):
    """There is no object under this key."""


class ObjectTooLargeError(AuteurError):
    """The object has more bytes than the caller is ready to read."""


@dataclass(frozen=True)
class ObjectInfo:
    """What the storage knows about an object."""

    size_bytes: int
    content_type: str


@dataclass(frozen=True)
class StoredObject:
    """One of many objects that lie together."""

    key: str
    modified_at: datetime
    size_bytes: int


class ObjectStorage(Protocol):
    """What both storages offer; ``expires`` is in seconds, by default ``PRESIGNED_URL_SECONDS``."""

    def presigned_put(
        self,
        key: str,
        *,
        content_type: str,
        size_bytes: int | None = None,
        once: bool = False,
        expires: int | None = None,
    ) -> str:
        """A URL to PUT one object to, with exactly this content type and, if given, size.

        With ``once`` it cannot replace an object (412), and the client must send
        ``If-None-Match: *``.
        """
        ...

    def presigned_get(
        self, key: str, *, filename: str | None = None, expires: int | None = None
    ) -> str:
        """A URL to GET the object from, saved by browsers as ``filename``."""
        ...

    def probe_source(self, key: str) -> str:
        """What PyAV may open to read the object: a local path, or a signed URL."""
        ...

    def head(self, key: str) -> ObjectInfo:
        """Size and content type; raises ``ObjectMissingError``."""
        ...

    def read(self, key: str, max_bytes: int) -> bytes:
        """A small object whole; raises ``ObjectMissingError`` and ``ObjectTooLargeError``."""
        ...

    def read_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """A stretch of an object, shorter where it ends; raises ``ObjectMissingError``.

        ``offset`` lies before the object's end.
        """
        ...

    def write(self, key: str, content: bytes, content_type: str) -> None:
        """Store a small object, in place of an older one."""
        ...

    def delete(self, key: str, /) -> None:
        """Remove the object; one that is not there is no error."""
        ...

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an object that comes in parts; answers the id of its upload."""
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
        """A URL to PUT one part to, with exactly this size; a part sent again replaces itself."""
        ...

    def write_part(self, key: str, upload_id: str, number: int, content: bytes, /) -> None:
        """Store a part, in place of an older one; ``ObjectMissingError`` if the upload is over."""
        ...

    def stored_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """The parts that have arrived, by number; ``ObjectMissingError`` if the upload is over."""
        ...

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart], /) -> None:
        """Make the object of these parts; ``ObjectMissingError`` if the upload is over."""
        ...

    def abort_parts(self, key: str, upload_id: str, /) -> None:
        """Remove what has arrived; an upload that is over is no error."""
        ...

    def objects(self, prefix: str) -> list[StoredObject]:
        """All objects whose keys begin with a folder's: ``users/1/renders/2/``."""
        ...

    def page(self, after: str, limit: int) -> list[StoredObject]:
        """Objects of the whole storage with keys after this one, in the order of the keys' bytes.

        At most ``limit`` (up to 1000); none where there are no more.
        """
        ...

    def unfinished(self, *, before: datetime) -> list[str]:
        """Names of what was half written and left alone since ``before``."""
        ...

    def remove_unfinished(self, name: str, /) -> bool:
        """Remove something half written; False if it is gone already."""
        ...

    def check(self) -> None:
        """Raise one of ``STORAGE_ERRORS`` unless the storage works."""
        ...


def is_refusal(exc: Exception) -> bool:
    """Whether a storage said no, for good, rather than being away."""
    if not isinstance(exc, ClientError):
        return False
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return 400 <= status < 500 and status not in (408, 429)


def object_storage() -> ObjectStorage:
    """The storage that the settings name."""
    return cast(ObjectStorage, storages["default"])


def seconds_to_write(expires: int | None) -> int:
    """How long a URL to write to lives; raises ``ValueError`` for more than ``LONGEST_WRITE``."""
    seconds: int = settings.PRESIGNED_URL_SECONDS if expires is None else expires
    if seconds > LONGEST_WRITE.total_seconds():
        raise ValueError("a URL to write to would live too long")
    return seconds


def signable_key(key: str) -> str:
    """The key itself, if a URL of it may be signed; raises ``InvalidKey``."""
    if key.partition("/")[0] == ARCHIVE:
        raise InvalidKey("no URL of an archive is signed")
    return checked_key(key)


def checked_key(key: str) -> str:
    """The key itself, if it is one of ours; raises ``InvalidKey``."""
    if len(key) > MAX_KEY_LENGTH or not KEY_PATTERN.fullmatch(key):
        raise InvalidKey("not an object key")
    return key
