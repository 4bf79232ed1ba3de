"""One object of the archive: written, read back, and removed when its time is over."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.core.files.storage import storages
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from gpu_tasks.runtime.errors import AuteurError
from jobs.archive.models import ArchivePart
from jobs.archive.sources import Row, Source
from media.storage import ARCHIVE, ObjectStorage, StoredObject, object_storage
from media.storage.owners import Owner, register_object_owner

if TYPE_CHECKING:
    import pyarrow

CONTENT_TYPE = "application/vnd.apache.parquet"
ROWS_A_GROUP = 5000
MAX_BYTES = 64 * 1024**2
"""Of a part, when it is read back: twenty times what one is expected to have."""
REMOVED_AT_ONCE = 20


class DamagedPartError(AuteurError):
    """What the storage gave back is not what was written."""


def archive_storage() -> ObjectStorage:
    """Where archives lie: a bucket of their own, or beside all else."""
    if settings.ARCHIVE_BUCKET:
        return cast(ObjectStorage, storages["archive"])
    return object_storage()


def key_of(source: Source, rows: Sequence[Row], due_before: datetime) -> str:
    """Where these rows lie."""
    month = source.order.month_of(rows, due_before)
    first, last = (source.order.key_of(row) for row in (rows[0], rows[-1]))
    folder = f"{ARCHIVE}/{source.table}/year={month:%Y}/month={month:%m}"
    return f"{folder}/part-{first}-{last}.parquet"


def write(part: ArchivePart, source: Source, rows: Sequence[Row]) -> None:
    """Store these rows, read them back, and note that they are there.

    Raises ``DamagedPartError`` and ``STORAGE_ERRORS``; then nothing may be deleted.
    """
    import pyarrow  # noqa: PLC0415 - 50 MB of memory, for who archives alone
    from pyarrow import parquet  # noqa: PLC0415 - as above

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # its own keeps 40 MB
    table = _table(source, rows)
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd", row_group_size=ROWS_A_GROUP)
    content = sink.getvalue()
    storage = archive_storage()
    storage.write(part.object_key, content, CONTENT_TYPE)
    stored = storage.read(part.object_key, max_bytes=MAX_BYTES)
    try:
        read = parquet.read_table(io.BytesIO(stored), use_threads=False)
    except (OSError, ValueError) as exc:
        raise DamagedPartError(f"{part.object_key} cannot be read") from exc
    if read.num_rows != len(rows) or not read.equals(table):
        raise DamagedPartError(f"{part.object_key} holds other rows than were written")
    verified = ArchivePart.objects.filter(pk=part.pk).update(
        rows=len(rows), size_bytes=len(content), verified_at=Now()
    )
    if not verified:
        raise DamagedPartError(f"{part.object_key} was dropped while it was written")


def _table(source: Source, rows: Sequence[Row]) -> "pyarrow.Table":
    import pyarrow  # noqa: PLC0415 - as above

    types = {
        "id": pyarrow.string(),
        "text": pyarrow.string(),
        "long": pyarrow.int64(),
        "real": pyarrow.float64(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "hash": pyarrow.binary(32),
    }
    columns = zip(*rows, strict=True)
    next(columns)  # whether they are due
    return pyarrow.table(
        {
            name: pyarrow.array(
                [str(one) if kind == "id" and one is not None else one for one in column],
                types[kind],
            )
            for (name, kind), column in zip(source.columns.items(), columns, strict=True)
        }
    )


def remove(part: ArchivePart) -> None:
    """Remove the object, then its row; raises ``STORAGE_ERRORS``."""
    archive_storage().delete(part.object_key)
    part.delete()


@transaction.atomic
def drop(part: ArchivePart) -> bool:
    """Remove it, if nobody has verified it: else it may be the only copy. Whether it is gone."""
    held = ArchivePart.objects.select_for_update().filter(pk=part.pk, verified_at=None).first()
    if held is not None:
        remove(held)
    return held is not None


def drop_unverified(table: str) -> None:
    """Of a table that is archived no more: its rows are all there still."""
    for part in ArchivePart.objects.filter(table=table, finished_at=None, verified_at=None):
        drop(part)


def old() -> QuerySet[ArchivePart]:
    """Parts that are no longer kept."""
    kept = timedelta(days=settings.ARCHIVE_KEPT_DAYS)
    if not kept:
        return ArchivePart.objects.none()
    return ArchivePart.objects.filter(created_at__lte=Now() - kept)


def remove_old() -> int:
    """Remove some of the `old` parts, the oldest first; returns how many."""
    found = list(old().order_by("pk")[:REMOVED_AT_ONCE])
    for part in found:
        remove(part)
    return len(found)


def register_owner() -> None:
    """To be called once, when Django is ready."""
    register_object_owner(Owner(ARCHIVE, _names_of, is_at_root=True))


def _names_of(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    found = ArchivePart.objects.filter(object_key__in=[one.key for one in objects])
    return dict(found.values_list("object_key", "size_bytes"))
