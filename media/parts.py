"""The parts of a large upload: their addresses, what has arrived, and joining them."""

from collections.abc import Sequence
from dataclasses import dataclass

from auteur.api.problems import Problem, UnavailableProblem
from media.models import Upload
from media.storage import ObjectMissingError, object_storage
from media.storage.multipart import (
    MULTIPART_BYTES,
    Part,
    StoredPart,
    part_bytes_of,
    parts_of,
)


class UploadIncompleteProblem(Problem):
    """Parts are missing, or have another size: they can still be sent (again)."""

    status_code = 422
    default_code = "upload_incomplete"
    default_detail = "Some parts have not been uploaded."


@dataclass(frozen=True)
class PartUpload:
    """Where the client sends one part, unless it has arrived."""

    part_number: int
    offset: int
    size_bytes: int
    received: bool
    upload_url: str | None


def begin_parts(row: Upload) -> None:
    """Have a large file come in parts; its row, to be saved, keeps the storage's id of the upload.

    Whether the storage really has all bytes is for it to say: clients tell nothing about parts.
    """
    if (row.file_size_bytes or 0) <= MULTIPART_BYTES:
        return
    row.upload_part_bytes = part_bytes_of(row.file_size_bytes or 0)
    try:
        row.upload_id = object_storage().begin_parts(row.object_key, content_type=row.mime_type)
    except OSError as exc:
        raise UnavailableProblem from exc


def list_expected_parts(row: Upload) -> list[Part]:
    """The parts that the file is announced to have."""
    return parts_of(row.file_size_bytes or 0, row.upload_part_bytes or 1)


def list_stored_parts(row: Upload) -> list[StoredPart]:
    """What has arrived; raises ``ObjectMissingError`` once the parts are joined, or given up."""
    return object_storage().stored_parts(row.object_key, row.upload_id)


def list_part_urls(row: Upload, arrived: Sequence[StoredPart]) -> list[PartUpload]:
    """All parts, with fresh URLs for those that are missing."""
    sizes = {part.number: part.size_bytes for part in arrived}
    return [
        _address(row, part, received=sizes.get(part.number) == part.size_bytes)
        for part in list_expected_parts(row)
    ]


def _address(row: Upload, part: Part, *, received: bool) -> PartUpload:
    url = None
    if not received:
        url = object_storage().presigned_part(
            row.object_key, row.upload_id, number=part.number, size_bytes=part.size_bytes
        )
    return PartUpload(part.number, part.offset, part.size_bytes, received, url)


def join_parts(row: Upload) -> None:
    """Make the object of what the storage has; raises ``UploadIncompleteProblem``.

    Nothing happens where an earlier confirm got so far: the object is looked at in any case.
    """
    try:
        arrived = {part.number: part for part in list_stored_parts(row)}
        missing = [
            part.number
            for part in list_expected_parts(row)
            if part.number not in arrived or arrived[part.number].size_bytes != part.size_bytes
        ]
        if missing:
            raise UploadIncompleteProblem(missing_parts=missing)
        object_storage().join_parts(
            row.object_key,
            row.upload_id,
            [arrived[part.number] for part in list_expected_parts(row)],
        )
    except ObjectMissingError:
        return
