"""A zip that is written from its beginning to its end into the storage, a part at a time.

Nothing of it lies on a disk of ours, and no more in memory than a part and a stretch of a file:
it may hold a hundred gigabytes.
"""

import json
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, cast

from django.core.serializers.json import DjangoJSONEncoder

from auteur.personal_data import StoredFile
from media.imports.storing import PartWriter
from media.storage import ObjectMissingError, object_storage

READ_BYTES = 8 * 1024**2
"""Of a file at once."""
HEARD_ROWS = 100
"""So many rows of a listing are written, each perhaps read of the storage; who waits is heard."""

Heard = Callable[[int], object]
"""Told how many bytes of files were added since; may end the work by raising."""


class _Sink:
    """What the zip is written to; once it is closed, nothing more comes.

    A zip that is given up writes its end all the same when Python clears it away.
    """

    def __init__(self, writer: PartWriter) -> None:
        self._writer: PartWriter | None = writer

    def write(self, content: bytes) -> int:
        if self._writer is not None:
            self._writer.write(content)
        return len(content)

    def flush(self) -> None:
        """Parts are stored as soon as they are whole."""

    def close(self) -> None:
        self._writer = None


class Archive:
    """What is added is in the zip in this order; `close` ends it, `give_up` does not."""

    def __init__(self, writer: PartWriter, heard: Heard) -> None:
        self._writer, self._heard = writer, heard
        self._sink = _Sink(writer)
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._sink), "w", allowZip64=True)
        self.counts: dict[str, int] = {}
        self.missing: list[str] = []

    def add_rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """A file with an object of JSON in each line."""
        count = 0
        with self._member(f"{name}.jsonl", zipfile.ZIP_DEFLATED) as member:
            for count, row in enumerate(rows, 1):
                member.write(_json(row) + b"\n")
                if count % HEARD_ROWS == 0:
                    self._heard(0)
        self.counts[name] = count
        self._heard(0)

    def add_file(self, file: StoredFile) -> None:
        """A stored object as it is; one that has gone meanwhile is named as missing.

        Raises ``ObjectMissingError`` where it goes while it is read.
        """
        storage = object_storage()
        try:
            size = storage.head(file.key).size_bytes
        except ObjectMissingError:
            self.missing.append(file.path)
            return
        with self._member(file.path, zipfile.ZIP_STORED) as member:
            for offset in range(0, size, READ_BYTES):
                content = storage.read_range(file.key, offset, READ_BYTES)
                member.write(content)
                self._heard(len(content))

    def close(self, **told: Any) -> None:
        """End it with a manifest: what it holds, and what it lacks."""
        manifest = {**told, "rows": self.counts, "missing": self.missing}
        with self._member("manifest.json", zipfile.ZIP_DEFLATED) as member:
            member.write(_json(manifest))
        self._zip.close()
        self._sink.close()
        self._writer.close()

    def give_up(self) -> None:
        """Write nothing more."""
        self._sink.close()

    def _member(self, path: str, compression: int) -> IO[bytes]:
        info = zipfile.ZipInfo(path, date_time=time.gmtime()[:6])
        info.compress_type = compression
        return self._zip.open(info, "w", force_zip64=True)


def _json(value: Any) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False).encode()
