"""Writing a zip archive sequentially into the storage, part by part.

An archive may have a hundred gigabytes. So nothing of it is on a local disk, and at most a part
and a piece of a file are in memory.
"""

import json
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, cast

from django.core.serializers.json import DjangoJSONEncoder

from auteur.core.personal_data import StoredFile
from media.imports.storing import PartWriter
from media.storage import ObjectMissingError, object_storage

READ_BYTES = 8 * 1024**2
"""The size of the pieces in which a file is read."""
PROGRESS_ROWS = 100
"""How many rows are written between two progress calls; each row may be read from the storage."""

OnProgress = Callable[[int], object]
"""Called with the number of file bytes added since the last call; it may raise to stop the work."""


class _Sink:
    """The file that the zip is written to; after `close` it discards what is written.

    This is needed because Python writes the end of an abandoned zip when it deletes the object.
    """

    def __init__(self, writer: PartWriter) -> None:
        self._writer: PartWriter | None = writer

    def write(self, content: bytes) -> int:
        if self._writer is not None:
            self._writer.write(content)
        return len(content)

    def flush(self) -> None:
        """Do nothing: a part is stored as soon as it is complete."""

    def close(self) -> None:
        self._writer = None


class Archive:
    """A zip archive that is being written; `close` completes it, `abandon` discards it."""

    def __init__(self, writer: PartWriter, on_progress: OnProgress) -> None:
        self._writer, self._on_progress = writer, on_progress
        self._sink = _Sink(writer)
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._sink), "w", allowZip64=True)
        self.counts: dict[str, int] = {}
        self.missing: list[str] = []

    def add_rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add a file with one JSON object per line."""
        count = 0
        with self._open_member(f"{name}.jsonl", zipfile.ZIP_DEFLATED) as member:
            for count, row in enumerate(rows, 1):
                member.write(_encode_json(row) + b"\n")
                if count % PROGRESS_ROWS == 0:
                    self._on_progress(0)
        self.counts[name] = count
        self._on_progress(0)

    def add_file(self, file: StoredFile) -> None:
        """Add a stored object uncompressed; if it no longer exists, list it as missing.

        Raises ``ObjectMissingError`` if it is deleted while it is read.
        """
        storage = object_storage()
        try:
            size = storage.head(file.key).size_bytes
        except ObjectMissingError:
            self.missing.append(file.path)
            return
        with self._open_member(file.path, zipfile.ZIP_STORED) as member:
            for offset in range(0, size, READ_BYTES):
                content = storage.read_range(file.key, offset, READ_BYTES)
                member.write(content)
                self._on_progress(len(content))

    def close(self, **properties: Any) -> None:
        """Add a manifest with the properties, row counts and missing files, and end the zip."""
        manifest = {**properties, "rows": self.counts, "missing": self.missing}
        with self._open_member("manifest.json", zipfile.ZIP_DEFLATED) as member:
            member.write(_encode_json(manifest))
        self._zip.close()
        self._sink.close()
        self._writer.close()

    def abandon(self) -> None:
        """Discard what is written from now on."""
        self._sink.close()

    def _open_member(self, path: str, compression: int) -> IO[bytes]:
        info = zipfile.ZipInfo(path, date_time=time.gmtime()[:6])
        info.compress_type = compression
        return self._zip.open(info, "w", force_zip64=True)


def _encode_json(value: Any) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False).encode()
