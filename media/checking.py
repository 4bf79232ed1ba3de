"""Check confirmed uploads once; each becomes ready or is rejected."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from auteur.core.api.problems import UnavailableProblem
from auteur.core.work.leases import Lease, LeaseLostError, Leases
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.sandbox import SandboxFailedError
from media.deletion import delete_objects_after_commit
from media.kinds import KINDS, Kind, Row
from media.limits import LEASE
from media.models import MediaStatus, Upload
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 300
"""A task that runs longer is killed with its process."""


class CheckFailedError(InputRefusedError):
    """Raised if every try to check a file failed: it may crash workers, so it is rejected."""

    code = "check_failed"
    detail = (
        "The file could not be checked. Upload it again, or convert it to another format first."
    )


class UploadLostError(InputRefusedError):
    """Raised if the object disappeared after its confirmation."""

    code = "upload_missing"
    detail = "The uploaded file no longer exists in the storage. Upload it again."


def _reject_unchecked(kind: Kind[Row], rows: QuerySet[Row]) -> int:
    with transaction.atomic():
        locked_rows = list(rows.select_for_update(no_key=True))
        all_rows = kind.model._default_manager.all()
        return sum(
            reject_upload(all_rows.filter(pk=row.pk), row, CheckFailedError())
            for row in locked_rows
        )


CHECKS: dict[Kind[Any], Leases[Any]] = {
    kind: Leases(
        kind.model,
        waiting={"status": MediaStatus.CHECKING, "check_claim": None},
        claimed={"status": MediaStatus.CHECKING},
        holder="check_claim",
        due_at="check_at",
        tries="check_tries",
        fail=partial(_reject_unchecked, kind),
        duration=LEASE,
    )
    for kind in KINDS
}


_after_check: list[Callable[[Upload], None]] = []


def register_after_check(listener: Callable[[Upload], None]) -> None:
    """Register a function that is called, best effort, with each upload after its check.

    Apps call this in their ``AppConfig.ready``; a second call has no effect.
    """
    if listener not in _after_check:
        _after_check.append(listener)


def run_check(kind: Kind[Row], row_id: UUID) -> None:
    """Check an upload if it is waiting; otherwise do nothing."""
    lease: Lease[Row] | None = CHECKS[kind].claim(row_id)
    row = lease.row.first() if lease else None
    if lease is None or row is None:
        return
    try:
        lease.finish(status=MediaStatus.READY, **_inspect_object(kind, row, lease))
        _notify_listeners(row)
    except LeaseLostError:
        logger.info("another worker has claimed %s", row_id)
    except InputRefusedError as exc:
        reject_upload(lease.row, row, exc)
        _notify_listeners(row)
    except (UnavailableProblem, *STORAGE_ERRORS) as exc:
        logger.warning("%s waits for the storage: %s", row_id, type(exc).__name__)
        lease.release()
    except SandboxFailedError:
        logger.exception("%s could not be checked", row_id)
        lease.requeue()


def _notify_listeners(row: Upload) -> None:
    for listener in _after_check:
        listener(row)


def _inspect_object(kind: Kind[Row], row: Row, lease: Lease[Row]) -> dict[str, Any]:
    storage = object_storage()
    try:
        storage.head(row.object_key)
    except ObjectMissingError as exc:
        raise UploadLostError from exc
    return kind.inspect(row, storage.probe_source(row.object_key), lease.renew)


def reject_upload(rows: QuerySet[Row], row: Row, refusal: InputRefusedError) -> bool:
    """Reject an upload if it is still in ``rows``, and delete its object; return if it was."""
    with transaction.atomic():
        rejected_count = rows.update(
            status=MediaStatus.REJECTED,
            check_at=None,
            check_claim=None,
            **row.ENDED,
            **row.refused(refusal),
        )
        if rejected_count:
            delete_objects_after_commit([row])
    return rejected_count == 1
