"""Results of jobs become media files: inspected like uploads, stored as rows exactly once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction

from auteur.api.problems import NotFoundProblem
from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError
from media.access import check_project
from media.consents import receipts
from media.content_types import ACCEPTED, declared_media_type
from media.file_names import portable, portable_stem
from media.models import MediaFile, MediaStatus
from media.provenance.credentials import SignedResult, sign_result
from media.provenance.statements import Statement
from media.storage import object_storage

MAX_STEM_LENGTH, MAX_STEM_BYTES = 80, 200
"""Of a title; the rest of a name is short."""
KEPT_APART = ("object_key", "credentials")
"""Of an inspected file, what is no column of its row by that name."""
CONSENT_REVOKED = "The consent to use what this job worked on has been revoked."
NOT_AS_PROMISED = "The model's result is not a file of the promised kind."


@dataclass(frozen=True)
class WrittenFile:
    """A file that a job's engine has written, to be looked at."""

    key: str
    content_type: str
    name: str
    statement: Statement
    """What its content credentials say."""


def inspect_result(
    *, job_id: UUID, place: int, made: WrittenFile, tick: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """What is in the storage, signed from now on, as plain values; the row will have the id that
    they hold. ``tick`` is called every second or so.

    Raises ``ObjectMissingError``; ``EngineError`` MODEL_ERROR for what is not of the promised type;
    and as ``provenance.credentials.mark`` does.
    """
    object_storage().head(made.key)
    try:
        marked = sign_result(
            made.key, content_type=made.content_type, statement=made.statement, tick=tick
        )
    except InputRefusedError as exc:
        raise EngineError(ErrorCode.MODEL_ERROR, NOT_AS_PROMISED) from exc
    return _plain(job_id, place, made, marked)


def _plain(job_id: UUID, place: int, made: WrittenFile, marked: SignedResult) -> dict[str, Any]:
    found = marked.probe
    if found.type != declared_media_type(made.content_type):
        raise EngineError(ErrorCode.MODEL_ERROR, NOT_AS_PROMISED)
    return {
        "id": str(uuid5(job_id, str(place))),
        "name": made.name,
        "type": found.type,
        "mime_type": made.content_type,
        "duration_ms": found.duration_ms,
        "file_size_bytes": marked.size_bytes,
        "metadata": found.metadata,
        "object_key": made.key,
        "credentials": marked.credentials,
    }


@transaction.atomic
def store_results(
    *,
    user_id: UUID,
    project_id: UUID | None,
    files: Sequence[Mapping[str, Any]],
    origin: Mapping[str, Any],
) -> None:
    """Make rows of inspected files, once however often called; without the project if it is gone.

    ``origin`` is their lineage (docs/decisions/0011). Raises ``EngineError`` CANCELLED where the
    consent to use something in it has been revoked.
    """
    if receipts.is_being_removed([*origin["media_ids"], *origin.get("voice_ids", ())]):
        raise EngineError(ErrorCode.CANCELLED, CONSENT_REVOKED)
    if project_id is not None:
        try:
            check_project(user_id=user_id, project_id=project_id, lock=True)
        except NotFoundProblem:
            project_id = None
    rows = [_row(user_id, project_id, file, origin) for file in files]
    MediaFile.objects.bulk_create(rows, ignore_conflicts=True)


def _row(
    user_id: UUID, project_id: UUID | None, file: Mapping[str, Any], origin: Mapping[str, Any]
) -> MediaFile:
    key = file["object_key"]
    facts = {name: value for name, value in file.items() if name not in KEPT_APART}
    return MediaFile(
        user_id=user_id,
        project_id=project_id,
        status=MediaStatus.READY,
        r2_key=key,
        r2_url=object_storage().presigned_get(key).partition("?")[0],
        origin={**origin, "credentials": file.get("credentials")},
        **facts,
    )


def name_for_people(title: str, label: str, content_type: str, number: int | None = None) -> str:
    """`interview, lip sync.mp4`, from the title of what it was made from."""
    stem = portable_stem(" ".join(title.split())[:MAX_STEM_LENGTH], MAX_STEM_BYTES)
    parts = ", ".join(part for part in (stem, label) if part)
    counted = f"{parts} {number}" if number is not None else parts
    return portable(f"{counted}.{ACCEPTED[content_type]}")


def list_downloads(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The files for a client, each with a signed URL for as long as its media is there."""
    existing = MediaFile.objects.in_bulk([UUID(file["id"]) for file in files])
    shown = []
    for file in files:
        media = existing.get(UUID(file["id"]))
        entry = {name: value for name, value in file.items() if name not in KEPT_APART}
        entry["download_url"] = media and object_storage().presigned_get(
            media.r2_key, filename=media.name
        )
        shown.append(entry)
    return shown
