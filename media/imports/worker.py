"""Try to fetch a file: claim, resume after the last try, store and confirm it."""

import logging
import time
from copy import copy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur.core import encryption
from auteur.core.api.problems import NotFoundProblem, UnavailableProblem
from auteur.core.encryption import UnreadableSecretError
from auteur.core.net.outbound import RefusedURLError
from auteur.core.work.leases import Lease, LeaseLostError
from gpu_tasks.runtime.errors import AuteurError, InputRefusedError
from media.content_types import get_media_type
from media.deletion import abort_uploads
from media.derivation.progress import throttle_reports
from media.files import confirm_file
from media.imports import contents, limits
from media.imports.addresses import build_policy, parse_address
from media.imports.errors import FetchFailedError, build_refusal
from media.imports.states import IMPORTS, reject_imports
from media.imports.storing import PartWriter, choose_part_bytes, list_arrived_parts
from media.imports.transfer import Answer, StoredBeginning, Transfer
from media.kinds import FILES
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus
from media.problems import UploadRefusedProblem
from media.quota import check_quota, find_plan
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage
from media.uploads import UploadRejectedProblem

logger = logging.getLogger(__name__)


class TimeSliceEndedError(AuteurError):
    """Raised to end a time slice: other imports wait, and the received parts are stored."""


@dataclass
class Slot:
    """The state of a transfer that its process sees; ``is_displaced`` asks the transfer to end."""

    user_id: UUID | None = None
    began: float = field(default_factory=time.monotonic)
    received_bytes: int = 0
    """Received since ``began``."""
    is_displaced: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def pace(self) -> float:
        """The mean rate in bytes per second."""
        return self.received_bytes / max(self.seconds, 0.001)


def run_import(media_id: UUID, slot: Slot | None = None) -> None:
    """Fetch a file if its import is waiting; otherwise do nothing."""
    lease = IMPORTS.claim(media_id)
    row = lease.row.select_related("media").first() if lease else None
    if lease is None or row is None:
        return
    slot = slot or Slot()
    slot.user_id, slot.began = row.user_id, time.monotonic()
    try:
        _fetch_and_confirm(lease, row, slot)
    except (LeaseLostError, NotFoundProblem):
        logger.info("another worker has claimed import %s", media_id)
    except (InputRefusedError, UploadRefusedProblem, UploadRejectedProblem) as exc:
        reject_imports(lease.row, _build_refusal(exc))
    except TimeSliceEndedError:
        lease.release(limits.NO_TIME)
    except FetchFailedError as exc:
        logger.info("import %s waits for its source: %s", media_id, exc.code)
        lease.row.update(error_code=exc.code, error_detail=exc.detail)
        lease.requeue(limits.RETRY_AFTER[min(row.tries, len(limits.RETRY_AFTER)) - 1])
    except (UnavailableProblem, *STORAGE_ERRORS) as exc:
        logger.warning("import %s waits for the storage: %s", media_id, type(exc).__name__)
        lease.release()


def _build_refusal(exc: Any) -> InputRefusedError:
    if isinstance(exc, InputRefusedError):
        return exc
    return InputRefusedError(exc.default_code, str(exc.detail))


def _fetch_and_confirm(lease: Lease[MediaImport], row: MediaImport, slot: Slot) -> None:
    media = row.media
    if media.status == MediaStatus.UPLOADING:
        if lease.row.filter(created_at__lte=Now() - limits.MAX_DURATION).exists():
            raise build_refusal("import_timed_out")
        _Fetch(lease, row, slot).run()
        lease.renew()
    media = confirm_file(media, plan=find_plan(media.user_id))
    lease.finish(
        status=ImportStatus.DONE,
        url=None,
        received_bytes=media.file_size_bytes or 0,
        error_code=None,
        error_detail=None,
    )


class _Fetch:
    """One try of an import: the parts that are stored, and the bytes that are received."""

    def __init__(self, lease: Lease[MediaImport], row: MediaImport, slot: Slot) -> None:
        self.lease, self.media, self.slot = lease, row.media, slot
        self.validator = row.validator
        try:
            address = encryption.decrypt(row.url or b"", purpose=limits.PURPOSE).decode()
            self.policy = build_policy()
            self.url = parse_address(address, self.policy)
        except (UnreadableSecretError, RefusedURLError) as exc:
            raise build_refusal("import_failed") from exc
        self.stored = list_arrived_parts(self.media)
        self.received = sum(part.size_bytes for part in self.stored)
        self._renew_lease = throttle_reports(
            lambda received: self.lease.renew(received_bytes=int(received))
        )

    def run(self) -> None:
        """Fetch until the whole file is stored."""
        if self.received and self.received == self.media.file_size_bytes:
            return
        try:
            with Transfer(
                self.policy, max_bytes=FILES.max_bytes(), check=self._check_interruption
            ) as transfer:
                answer = transfer.open(self.url, self._find_arrived())
                if not answer.offset:
                    self._begin_upload(answer)
                self._store_chunks(transfer, answer)
        except ObjectMissingError as exc:
            self.lease.renew()  # Raises if the media was deleted meanwhile.
            raise FetchFailedError("interrupted") from exc

    def _check_interruption(self) -> None:
        self._renew_lease(self.received)
        if self.slot.is_displaced:
            raise TimeSliceEndedError if self._can_resume() else FetchFailedError("displaced")

    def _can_resume(self) -> bool:
        return bool(self.validator) and self.media.file_size_bytes is not None

    def _find_arrived(self) -> StoredBeginning | None:
        size = self.media.file_size_bytes
        if not self.received or size is None or not self.validator:
            return None
        return StoredBeginning(self.received, size, self.validator)

    def _begin_upload(self, answer: Answer) -> None:
        """Start at the first byte: reserve quota and begin a new upload in the storage."""
        media, size = self.media, answer.size_bytes
        self._check_size(size)
        previous_upload = copy(media)
        media.mime_type = contents.get_content_type(answer, media.name)
        media.type = get_media_type(media.mime_type)
        media.name = contents.choose_name(answer, self.url, media.name)
        media.file_size_bytes = size
        media.upload_part_bytes = choose_part_bytes(size or FILES.max_unsized_bytes())
        media.upload_id = object_storage().begin_parts(
            media.object_key, content_type=media.mime_type
        )
        self.stored, self.received, self.validator = [], 0, answer.validator
        try:
            self._reserve_quota()
        except Exception:
            abort_uploads([media])
            raise
        abort_uploads([previous_upload])

    def _check_size(self, size: int | None) -> None:
        if size == 0:
            raise build_refusal("empty_file")
        if size is not None and size > FILES.max_bytes():
            raise build_refusal("file_too_large")

    @transaction.atomic
    def _reserve_quota(self) -> None:
        media = self.media
        adding = media.file_size_bytes or FILES.max_unsized_bytes()
        plan = find_plan(media.user_id)
        check_quota(user_id=media.user_id, plan=plan, adding=adding, without=media.pk)
        self._save_columns(
            "mime_type", "type", "name", "file_size_bytes", "upload_part_bytes", "upload_id"
        )
        self.lease.renew(validator=self.validator, received_bytes=0)

    def _save_columns(self, *columns: str) -> None:
        """Save columns of the media, or raise ``LeaseLostError`` if its upload is over."""
        rows = MediaFile.objects.filter(pk=self.media.pk, status=MediaStatus.UPLOADING)
        if not rows.update(**{column: getattr(self.media, column) for column in columns}):
            raise LeaseLostError

    def _store_chunks(self, transfer: Transfer, answer: Answer) -> None:
        writer = PartWriter(self.media, self.stored)
        max_bytes = answer.size_bytes or FILES.max_unsized_bytes()
        for chunk in transfer.chunks():
            self.received += len(chunk)
            self.slot.received_bytes += len(chunk)
            if self.received > max_bytes:
                raise build_refusal("file_too_large")
            self._check_time(is_stored=writer.write(chunk))
        self._finish_upload(writer, answer.size_bytes)

    def _check_time(self, *, is_stored: bool) -> None:
        if not self._can_resume():
            if self.slot.seconds > limits.TRY_SECONDS:
                raise build_refusal("import_timed_out")
        elif is_stored and self.slot.seconds > limits.TIME_SLICE_SECONDS:
            raise TimeSliceEndedError

    def _finish_upload(self, writer: PartWriter, size: int | None) -> None:
        if size is not None and self.received != size:
            raise FetchFailedError("interrupted")
        if not self.received:
            raise build_refusal("empty_file")
        writer.close()
        if size is None:
            self.media.file_size_bytes = self.received
            self._save_columns("file_size_bytes")
