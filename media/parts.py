"""Handle the parts of a large upload: sign their URLs, list stored ones and join them."""

from collections.abc import Sequence
from dataclasses import dataclass

from auteur.core.api.problems import Problem, UnavailableProblem
from media.models import Upload
from media.storage import ObjectMissingError, object_storage
from media.storage.multipart import (
    MULTIPART_BYTES,
    Part,
    StoredPart,
    choose_part_bytes,
    split_parts,
)


class UploadIncompleteProblem(Problem):
    """Raised if parts are missing or have the wrong size. They can still be sent, or sent again."""

    status_code = 422
    default_code = "upload_incomplete"
    default_detail = (
        "Some parts have not been uploaded. Send the missing_parts, then confirm again."
    )


@dataclass(frozen=True)
class PartUpload:
    """One part of an upload, with the URL to send it to unless it was received."""

    part_number: int
    offset: int
    size_bytes: int
    received: bool
    upload_url: str | None


def begin_parts(row: Upload) -> None:
    """Begin an upload in parts if the file is large, and set the upload's id on the unsaved row.

    Clients report nothing about parts: only the storage's own listing counts.
    """
    if (row.file_size_bytes or 0) <= MULTIPART_BYTES:
        return
    row.upload_part_bytes = choose_part_bytes(row.file_size_bytes or 0)
    try:
        row.upload_id = object_storage().begin_parts(row.object_key, content_type=row.mime_type)
    except OSError as exc:
        raise UnavailableProblem from exc


def list_expected_parts(row: Upload) -> list[Part]:
    """Return the parts of the declared file size."""
    return split_parts(row.file_size_bytes or 0, row.upload_part_bytes or 1)


def list_stored_parts(row: Upload) -> list[StoredPart]:
    """Return the stored parts; ``ObjectMissingError`` after the parts were joined or aborted."""
    return object_storage().list_stored_parts(row.object_key, row.upload_id)


def list_part_urls(row: Upload, arrived: Sequence[StoredPart]) -> list[PartUpload]:
    """Return all parts, with new URLs for the missing ones."""
    sizes = {part.number: part.size_bytes for part in arrived}
    return [
        _build_part_upload(row, part, received=sizes.get(part.number) == part.size_bytes)
        for part in list_expected_parts(row)
    ]


def _build_part_upload(row: Upload, part: Part, *, received: bool) -> PartUpload:
    url = None
    if not received:
        url = object_storage().presigned_part(
            row.object_key, row.upload_id, number=part.number, size_bytes=part.size_bytes
        )
    return PartUpload(part.number, part.offset, part.size_bytes, received, url)


def join_parts(row: Upload) -> None:
    """Join the stored parts to the object; raises ``UploadIncompleteProblem``.

    Does nothing if an earlier confirm has joined them: the caller checks the object in any case.
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
