"""Build the answers to partners, store captions, and create addresses that do not expire."""

import hashlib
import re
import secrets
import time
from datetime import timedelta
from typing import cast
from uuid import UUID

from django.conf import settings
from django.core.files.storage import storages
from django.db.models import Q

from gpu_tasks.transcription.contract import RecordingTranscript
from jobs import outputs, sql
from jobs.integrations.partners import failures, messages
from jobs.integrations.partners.brokers import get_topic
from jobs.integrations.partners.models import Kind, Partner, PartnerRequest, State
from jobs.integrations.partners.transports.base import Answer
from jobs.models import Job
from media.models import MediaFile, MediaStatus
from media.storage import ObjectStorage, object_storage

CAPTIONS = "captions"
"""The name of the captions bucket in the settings, and of the folder that replaces it."""
TOKEN_BYTES = 32
"""The length of an address's token. Nobody can guess it."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""32 bytes are 43 characters in base64."""
ROLLOUT = timedelta(hours=1)
"""How long processes of the previous release may still run. They find tokens only in plain."""
TOKENS_PER_BATCH = 1000

_started_at = time.monotonic()


def build_answer(request: PartnerRequest) -> Answer:
    """Build the answer to a request whose work is over. It is the same each time."""
    partner = request.partner
    return Answer(
        topic=get_topic(partner, request.kind, is_failed=request.error_code is not None),
        key=request.video_id,
        value=_build_value(request),
        id=str(request.pk),
    )


def _build_value(request: PartnerRequest) -> bytes:
    if request.error_code is not None:
        return messages.dump_message(_build_failed_message(request))
    if request.kind == Kind.COMPRESS:
        return build_address(request).encode()
    return build_transcribed(request, Job.objects.get(pk=cast(UUID, request.job_id)))


def _build_failed_message(request: PartnerRequest) -> messages.Failed:
    missing_credits = None
    if request.balance is not None and request.required is not None:
        missing_credits = messages.CreditsMissing(
            balance=request.balance, required=request.required
        )
    error = messages.Error(
        code=request.error_code or "",
        message=request.error_message or "",
        retryable=bool(request.is_retryable),
    )
    return messages.Failed(video_id=request.video_id, error=error, credits=missing_credits)


def build_transcribed(request: PartnerRequest, job: Job) -> bytes:
    """Build the `update_transcribe` message of a completed job. Raise ``STORAGE_ERRORS``."""
    output = outputs.load_output(job.type, job.output_data) or {}
    transcript = RecordingTranscript.model_validate(output["transcript"])
    return messages.dump_message(messages.Transcribed.of(request.video_id, transcript))


def build_address(request: PartnerRequest) -> str:
    """Return the address of the compressed video. It is valid as long as the video exists."""
    if settings.S3_PUBLIC_BASE_URL and (media := _find_result(request)):
        return f"{settings.S3_PUBLIC_BASE_URL}/{media.r2_key}"
    return f"{settings.PUBLIC_URL}/shared/{request.token}"


def create_token() -> str:
    """Return a new token for an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the hash by which a token is stored."""
    return hashlib.sha256(token.encode()).digest()


def find_shared_media(token: str) -> MediaFile | None:
    """Return the media file that an address of ours leads to; None once it was deleted."""
    if not TOKEN.fullmatch(token):
        return None
    is_shared = Q(token_hash=hash_token(token)) | Q(token_hash=None, token=token)
    request = PartnerRequest.objects.filter(is_shared).only("result_id").first()
    return _find_result(request) if request else None


def hash_tokens() -> int:
    """Replace tokens of answered requests by their hashes, a batch; return how many.

    An answer needs its token in plain until its partner's broker has it. A process that has just
    been started waits for `ROLLOUT` first.
    """
    if time.monotonic() - _started_at < ROLLOUT.total_seconds():
        return 0
    rows = sql.run("hash_partner_tokens", answered=State.ANSWERED, limit=TOKENS_PER_BATCH)
    return len(rows)


def _find_result(request: PartnerRequest) -> MediaFile | None:
    if request.result_id is None:
        return None
    return MediaFile.objects.filter(pk=request.result_id, status=MediaStatus.READY).first()


def store_captions(request: PartnerRequest, value: bytes) -> failures.Failure | None:
    """Store an answer as captions. Return a failure if it is too large for a message.

    Raises ``STORAGE_ERRORS``.
    """
    storage, key = get_captions_location(request.partner, request.video_id)
    storage.write(key, value, "application/json")
    return failures.TOO_LARGE if len(value) > request.partner.max_answer_bytes else None


def get_captions_location(partner: Partner, video_id: str) -> tuple[ObjectStorage, str]:
    """Return the storage and key of a video's captions: the partners' bucket, or our own."""
    folders = [partner.captions_folder] if partner.captions_folder else []
    if settings.CAPTIONS_BUCKET:
        storage = cast(ObjectStorage, storages[CAPTIONS])
    else:
        storage, folders = object_storage(), [CAPTIONS, *folders]
    return storage, "/".join([*folders, "videos", f"{video_id}.json"])


def get_result(job: Job) -> UUID:
    """Return the id of the media that a completed compression has made."""
    return UUID((job.output_data or {})["media"][0]["id"])
