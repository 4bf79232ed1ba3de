"""Uploads that have been confirmed are looked at, once, and become ready or are rejected."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from auteur.api.problems import UnavailableProblem
from auteur.leases import Lease, LeaseLostError, Leases
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.sandbox import SandboxFailedError
from media.deletion import delete_objects_after_commit
from media.kinds import KINDS, Kind, Row
from media.limits import LEASE
from media.models import MediaStatus, Upload
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 300
"""Whatever hangs longer is killed with its process."""


class CheckFailedError(InputRefusedError):
    """Every try was lost: a file that does so to workers is not taken."""

    code = "check_failed"
    detail = "The file could not be checked: upload it again, or in another format."


class UploadLostError(InputRefusedError):
    """The object went after it was confirmed."""

    code = "upload_missing"
    detail = "The uploaded file is gone: upload it again."


def _fail(kind: Kind[Row], rows: QuerySet[Row]) -> int:
    with transaction.atomic():
        held = list(rows.select_for_update(no_key=True))
        every = kind.model._default_manager.all()
        return sum(reject_upload(every.filter(pk=row.pk), row, CheckFailedError()) for row in held)


CHECKS: dict[Kind[Any], Leases[Any]] = {
    kind: Leases(
        kind.model,
        waiting={"status": MediaStatus.CHECKING, "check_claim": None},
        held={"status": MediaStatus.CHECKING},
        holder="check_claim",
        due_at="check_at",
        tries="check_tries",
        fail=partial(_fail, kind),
        duration=LEASE,
    )
    for kind in KINDS
}


_after_check: list[Callable[[Upload], None]] = []


def register_after_check(listener: Callable[[Upload], None]) -> None:
    """Have ``listener`` called with each upload whose check has just ended, best effort.

    The rooms above register in their ``AppConfig.ready``; registering twice counts once.
    """
    if listener not in _after_check:
        _after_check.append(listener)


def run_check(kind: Kind[Row], row_id: UUID) -> None:
    """Check an upload that waits for it; others are left alone."""
    lease: Lease[Row] | None = CHECKS[kind].claim(row_id)
    row = lease.row.first() if lease else None
    if lease is None or row is None:
        return
    try:
        lease.finish(status=MediaStatus.READY, **_inspect(kind, row, lease))
        _tell_ended(row)
    except LeaseLostError:
        logger.info("%s was taken away meanwhile", row_id)
    except InputRefusedError as refusal:
        reject_upload(lease.row, row, refusal)
        _tell_ended(row)
    except (UnavailableProblem, *STORAGE_ERRORS) as exc:
        logger.warning("%s waits for the storage: %s", row_id, type(exc).__name__)
        lease.release()
    except SandboxFailedError:
        logger.exception("%s could not be checked", row_id)
        lease.requeue()


def _tell_ended(row: Upload) -> None:
    for listener in _after_check:
        listener(row)


def _inspect(kind: Kind[Row], row: Row, lease: Lease[Row]) -> dict[str, Any]:
    storage = object_storage()
    try:
        storage.head(row.object_key)
    except ObjectMissingError as exc:
        raise UploadLostError from exc
    return kind.inspect(row, storage.probe_source(row.object_key), lease.renew)


def reject_upload(rows: QuerySet[Row], row: Row, refusal: InputRefusedError) -> bool:
    """Refuse what is still among ``rows``, for good, and remove its object; whether it was."""
    with transaction.atomic():
        rejected = rows.update(
            status=MediaStatus.REJECTED,
            check_at=None,
            check_claim=None,
            **row.ENDED,
            **row.refused(refusal),
        )
        if rejected:
            delete_objects_after_commit([row])
    return rejected == 1
