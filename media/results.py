"""Make media files of jobs' results: inspected like uploads, and stored exactly once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction

from auteur.core.api.problems import NotFoundProblem
from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError
from media.access import check_project
from media.consents import receipts
from media.content_types import ACCEPTED, get_media_type
from media.file_names import make_portable, make_portable_stem
from media.models import MediaFile, MediaStatus
from media.provenance.credentials import SignedResult, sign_result
from media.provenance.statements import Statement
from media.storage import object_storage

MAX_STEM_LENGTH, MAX_STEM_BYTES = 80, 200
"""Limits of the title in a file name. The rest of the name is short."""
NON_COLUMN_KEYS = ("object_key", "credentials")
"""Keys of an inspected file that are not columns of its row."""
CONSENT_REVOKED = "The consent to use media of this job has been revoked."
WRONG_FILE_TYPE = "The model returned a file of the wrong type."


@dataclass(frozen=True)
class WrittenFile:
    """A file that a job's engine has written, and that is not inspected yet."""

    key: str
    content_type: str
    name: str
    statement: Statement
    """The statement for its content credentials."""


def inspect_result(
    *, job_id: UUID, index: int, file: WrittenFile, tick: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Inspect and sign a stored result; return its properties as plain values.

    The values contain the id of the later row. ``tick`` is called about every second. Raises
    ``ObjectMissingError``; ``EngineError`` MODEL_ERROR for a file of another type than promised;
    and what ``sign_result`` raises.
    """
    object_storage().head(file.key)
    try:
        signed = sign_result(
            file.key, content_type=file.content_type, statement=file.statement, tick=tick
        )
    except InputRefusedError as exc:
        raise EngineError(ErrorCode.MODEL_ERROR, WRONG_FILE_TYPE) from exc
    return _build_values(job_id, index, file, signed)


def _build_values(
    job_id: UUID, index: int, written: WrittenFile, signed: SignedResult
) -> dict[str, Any]:
    probe = signed.probe
    if probe.type != get_media_type(written.content_type):
        raise EngineError(ErrorCode.MODEL_ERROR, WRONG_FILE_TYPE)
    return {
        "id": str(uuid5(job_id, str(index))),
        "name": written.name,
        "type": probe.type,
        "mime_type": written.content_type,
        "duration_ms": probe.duration_ms,
        "file_size_bytes": signed.size_bytes,
        "metadata": probe.metadata,
        "object_key": written.key,
        "credentials": signed.credentials,
    }


@transaction.atomic
def store_results(
    *,
    user_id: UUID,
    project_id: UUID | None,
    files: Sequence[Mapping[str, Any]],
    origin: Mapping[str, Any],
) -> None:
    """Create the rows of inspected files idempotently, without the project if it was deleted.

    ``origin`` is their lineage (docs/decisions/0011). Raises ``EngineError`` CANCELLED if the
    consent to use something in it was revoked.
    """
    if receipts.is_being_removed([*origin["media_ids"], *origin.get("voice_ids", ())]):
        raise EngineError(ErrorCode.CANCELLED, CONSENT_REVOKED)
    if project_id is not None:
        try:
            check_project(user_id=user_id, project_id=project_id, lock=True)
        except NotFoundProblem:
            project_id = None
    rows = [_build_row(user_id, project_id, file, origin) for file in files]
    MediaFile.objects.bulk_create(rows, ignore_conflicts=True)


def _build_row(
    user_id: UUID, project_id: UUID | None, file: Mapping[str, Any], origin: Mapping[str, Any]
) -> MediaFile:
    key = file["object_key"]
    columns = {name: value for name, value in file.items() if name not in NON_COLUMN_KEYS}
    return MediaFile(
        user_id=user_id,
        project_id=project_id,
        status=MediaStatus.READY,
        r2_key=key,
        r2_url=object_storage().presigned_get(key).partition("?")[0],
        origin={**origin, "credentials": file.get("credentials")},
        **columns,
    )


def build_file_name(title: str, label: str, content_type: str, number: int | None = None) -> str:
    """Build a file name such as `interview, lip sync.mp4` from the title of the source."""
    stem = make_portable_stem(" ".join(title.split())[:MAX_STEM_LENGTH], MAX_STEM_BYTES)
    parts = ", ".join(part for part in (stem, label) if part)
    numbered = f"{parts} {number}" if number is not None else parts
    return make_portable(f"{numbered}.{ACCEPTED[content_type]}")


def list_downloads(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the files for a client, with a signed URL of each whose media exists."""
    existing = MediaFile.objects.in_bulk([UUID(file["id"]) for file in files])
    downloads = []
    for file in files:
        media = existing.get(UUID(file["id"]))
        entry = {name: value for name, value in file.items() if name not in NON_COLUMN_KEYS}
        entry["download_url"] = media and object_storage().presigned_get(
            media.r2_key, filename=media.name
        )
        downloads.append(entry)
    return downloads
