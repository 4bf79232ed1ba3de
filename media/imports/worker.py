"""One try to fetch a file: claim, go on where the last one ended, store, confirm."""

import logging
import time
from copy import copy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur import encryption
from auteur.api.problems import NotFoundProblem, UnavailableProblem
from auteur.encryption import UnreadableSecretError
from auteur.leases import Lease, LeaseLostError
from auteur.outbound import RefusedURLError
from gpu_tasks.runtime.errors import AuteurError, InputRefusedError
from media.content_types import declared_media_type
from media.deletion import abort_uploads
from media.derivation.progress import throttled
from media.files import confirm_file
from media.imports import contents, limits
from media.imports.addresses import parse_address, policy
from media.imports.errors import FetchFailedError, refusal
from media.imports.states import IMPORTS, reject_imports
from media.imports.storing import PartWriter, arrived, part_bytes_of
from media.imports.transfer import Answer, Arrived, Transfer
from media.kinds import FILES
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus
from media.problems import UploadRefusedProblem
from media.quota import check_quota, plan_of_user
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage
from media.uploads import UploadRejectedProblem

logger = logging.getLogger(__name__)


class TurnOverError(AuteurError):
    """Others wait, and what has come is stored: go on later."""


@dataclass
class Slot:
    """What one transfer of a process tells the others; ``is_displaced`` asks it to end."""

    user_id: UUID | None = None
    began: float = field(default_factory=time.monotonic)
    received_bytes: int = 0
    """Since it began."""
    is_displaced: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def pace(self) -> float:
        """Mean bytes a second."""
        return self.received_bytes / max(self.seconds, 0.001)


def run_import(media_id: UUID, slot: Slot | None = None) -> None:
    """Fetch a file that waits for it; others are left alone."""
    lease = IMPORTS.claim(media_id)
    row = lease.row.select_related("media").first() if lease else None
    if lease is None or row is None:
        return
    slot = slot or Slot()
    slot.user_id, slot.began = row.user_id, time.monotonic()
    try:
        _work(lease, row, slot)
    except (LeaseLostError, NotFoundProblem):
        logger.info("import %s was taken away meanwhile", media_id)
    except (InputRefusedError, UploadRefusedProblem, UploadRejectedProblem) as exc:
        reject_imports(lease.row, _refusal_of(exc))
    except TurnOverError:
        lease.release(limits.NO_TIME)
    except FetchFailedError as failed:
        logger.info("import %s waits for its source: %s", media_id, failed.code)
        _try_again(lease, row, failed)
    except (UnavailableProblem, *STORAGE_ERRORS) as exc:
        logger.warning("import %s waits for the storage: %s", media_id, type(exc).__name__)
        lease.release()


def _refusal_of(exc: Any) -> InputRefusedError:
    if isinstance(exc, InputRefusedError):
        return exc
    return InputRefusedError(exc.default_code, str(exc.detail))


def _try_again(lease: Lease[MediaImport], row: MediaImport, failed: FetchFailedError) -> None:
    lease.row.update(error_code=failed.code, error_detail=failed.detail)
    lease.requeue(limits.RETRY_AFTER[min(row.tries, len(limits.RETRY_AFTER)) - 1])


def _work(lease: Lease[MediaImport], row: MediaImport, slot: Slot) -> None:
    media = row.media
    if media.status == MediaStatus.UPLOADING:
        if lease.row.filter(created_at__lte=Now() - limits.LONGEST).exists():
            raise refusal("import_timed_out")
        _Fetch(lease, row, slot).run()
        lease.renew()
    media = confirm_file(media, plan=plan_of_user(media.user_id))
    lease.finish(
        status=ImportStatus.DONE,
        url=None,
        received_bytes=media.file_size_bytes or 0,
        error_code=None,
        error_detail=None,
    )


class _Fetch:
    """The bytes of one import: those that are stored, and those that come."""

    def __init__(self, lease: Lease[MediaImport], row: MediaImport, slot: Slot) -> None:
        self.lease, self.media, self.slot = lease, row.media, slot
        self.validator = row.validator
        try:
            plain = encryption.decrypt(row.url or b"", purpose=limits.PURPOSE).decode()
            self.policy = policy()
            self.url = parse_address(plain, self.policy)
        except (UnreadableSecretError, RefusedURLError) as exc:
            raise refusal("import_failed") from exc
        self.stored = arrived(self.media)
        self.received = sum(part.size_bytes for part in self.stored)
        self._tell = throttled(lambda received: self.lease.renew(received_bytes=int(received)))

    def run(self) -> None:
        """Until all of it is stored."""
        if self.received and self.received == self.media.file_size_bytes:
            return
        try:
            with Transfer(self.policy, most=FILES.max_bytes(), heard=self._heard) as transfer:
                answer = transfer.open(self.url, self._arrived())
                if not answer.offset:
                    self._begin(answer)
                self._store(transfer, answer)
        except ObjectMissingError as exc:
            self.lease.renew()  # else it was deleted
            raise FetchFailedError("interrupted") from exc

    def _heard(self) -> None:
        self._tell(self.received)
        if self.slot.is_displaced:
            raise TurnOverError if self._can_resume() else FetchFailedError("displaced")

    def _can_resume(self) -> bool:
        return bool(self.validator) and self.media.file_size_bytes is not None

    def _arrived(self) -> Arrived | None:
        size = self.media.file_size_bytes
        if not self.received or size is None or not self.validator:
            return None
        return Arrived(self.received, size, self.validator)

    def _begin(self, answer: Answer) -> None:
        """From the start: keep room for it, and have the storage take it."""
        media, size = self.media, answer.size_bytes
        self._check_size(size)
        earlier = copy(media)
        media.mime_type = contents.type_of(answer, media.name)
        media.type = declared_media_type(media.mime_type)
        media.name = contents.name_of(answer, self.url, media.name)
        media.file_size_bytes = size
        media.upload_part_bytes = part_bytes_of(size or FILES.max_unsized_bytes())
        media.upload_id = object_storage().begin_parts(
            media.object_key, content_type=media.mime_type
        )
        self.stored, self.received, self.validator = [], 0, answer.validator
        try:
            self._keep_room()
        except Exception:
            abort_uploads([media])
            raise
        abort_uploads([earlier])

    def _check_size(self, size: int | None) -> None:
        if size == 0:
            raise refusal("empty_file")
        if size is not None and size > FILES.max_bytes():
            raise refusal("file_too_large")

    @transaction.atomic
    def _keep_room(self) -> None:
        media = self.media
        adding = media.file_size_bytes or FILES.max_unsized_bytes()
        plan = plan_of_user(media.user_id)
        check_quota(user_id=media.user_id, plan=plan, adding=adding, without=media.pk)
        self._save("mime_type", "type", "name", "file_size_bytes", "upload_part_bytes", "upload_id")
        self.lease.renew(validator=self.validator, received_bytes=0)

    def _save(self, *columns: str) -> None:
        """Where it is still waited for."""
        rows = MediaFile.objects.filter(pk=self.media.pk, status=MediaStatus.UPLOADING)
        if not rows.update(**{column: getattr(self.media, column) for column in columns}):
            raise LeaseLostError

    def _store(self, transfer: Transfer, answer: Answer) -> None:
        writer = PartWriter(self.media, self.stored)
        most = answer.size_bytes or FILES.max_unsized_bytes()
        for chunk in transfer.chunks():
            self.received += len(chunk)
            self.slot.received_bytes += len(chunk)
            if self.received > most:
                raise refusal("file_too_large")
            self._look_at_the_clock(is_stored=writer.write(chunk))
        self._end(writer, answer.size_bytes)

    def _look_at_the_clock(self, *, is_stored: bool) -> None:
        if not self._can_resume():
            if self.slot.seconds > limits.TRY_SECONDS:
                raise refusal("import_timed_out")
        elif is_stored and self.slot.seconds > limits.TURN_SECONDS:
            raise TurnOverError

    def _end(self, writer: PartWriter, size: int | None) -> None:
        if size is not None and self.received != size:
            raise FetchFailedError("interrupted")
        if not self.received:
            raise refusal("empty_file")
        writer.close()
        if size is None:
            self.media.file_size_bytes = self.received
            self._save("file_size_bytes")
