"""Bringing a voice: its owner's consent, a row and a signed URL, then a check of what arrived."""

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from auteur.api.problems import Problem, field_problem
from gpu_tasks.runtime.errors import Refusal
from media.access import owned_voice
from media.content_types import ACCEPTED, base_type
from media.models import MediaStatus, VoiceClone
from media.problems import FileTooLarge, Refused, SizeMismatch
from media.quota import check_room
from media.storage import ObjectMissing, object_storage
from media.uploads import EmptyFile, UnsupportedMediaType, UploadMissing, UploadRejected
from media.voices.checking import reject

CONSENT_STATEMENT = (
    "The voice in this recording is my own, or its owner has allowed me to have speech made with "
    "it. I may withdraw this at any time by deleting the voice."
)
CONSENT_VERSION = "1"
"""Counted up with each change of the statement."""
TAKEN = {kind: suffix for kind, suffix in ACCEPTED.items() if not kind.startswith("image/")}


class ConsentRequired(Problem):
    """Nobody's voice is taken without their consent."""

    default_code = "consent_required"
    default_detail = "A voice needs the consent of the person who speaks."

    def __init__(self) -> None:
        error = {"field": "consent", "code": self.default_code, "detail": self.default_detail}
        super().__init__(statement=CONSENT_STATEMENT, errors=[error])


class TooManyVoices(Problem):
    """One must go before another comes."""

    status_code = 409
    default_code = "too_many_voices"
    default_detail = "You have as many voices as one user may have: delete one first."


@dataclass(frozen=True)
class VoiceUpload:
    """Where and how the client sends the sample."""

    voice_id: UUID
    upload_url: str
    method: str
    headers: dict[str, str]
    expires_at: datetime


def request_voice(
    *,
    user_id: UUID,
    plan: str | None,
    name: str,
    content_type: str,
    filename: str = "",
    size_bytes: int | None = None,
    consent: bool = False,
    consent_statement: str = "",
) -> VoiceUpload:
    """Make the row of a voice and the URL of its sample.

    ``consent_statement`` is what the client showed, if not ours. Raises ``ConsentRequired``,
    ``UnsupportedMediaType``, ``FileTooLarge``, ``TooManyVoices``, ``StorageQuotaExceeded``, and a
    400 about a name.
    """
    if not consent:
        raise ConsentRequired
    mime_type = base_type(content_type)
    if mime_type not in TAKEN:
        raise UnsupportedMediaType(accepted=sorted(TAKEN))
    if size_bytes is not None and size_bytes > settings.MAX_VOICE_SAMPLE_BYTES:
        raise FileTooLarge(max_bytes=settings.MAX_VOICE_SAMPLE_BYTES)
    voice_id = uuid.uuid4()
    key = f"users/{user_id}/voices/{voice_id}/sample.{TAKEN[mime_type]}"
    expires_at = timezone.now() + timedelta(seconds=settings.PRESIGNED_URL_SECONDS)
    # Once: what has been listened to is not replaced afterwards.
    upload_url = object_storage().presigned_put(
        key, content_type=mime_type, size_bytes=size_bytes, once=True
    )
    with transaction.atomic():
        _check_number(user_id)
        most = settings.MAX_VOICE_SAMPLE_BYTES if size_bytes is None else size_bytes
        check_room(user_id=user_id, plan=plan, adding=most)
        VoiceClone.objects.create(
            id=voice_id,
            user_id=user_id,
            name=_printable("name", name),
            filename=_printable("filename", filename),
            mime_type=mime_type,
            file_size_bytes=size_bytes,
            sample_r2_key=key,
            consent_statement=consent_statement or CONSENT_STATEMENT,
            consent_version="" if consent_statement else CONSENT_VERSION,
            consented_at=Now(),
        )
    headers = {"Content-Type": mime_type, "If-None-Match": "*"}
    return VoiceUpload(voice_id, upload_url, "PUT", headers, expires_at)


def confirm_voice(*, user_id: UUID, voice_id: UUID) -> VoiceClone:
    """Have what was uploaded listened to; confirming again answers how far that is.

    Raises ``NotFound``; ``UploadMissing`` while there is nothing; ``Refused`` with its kinds where
    the size alone forbids it, after which the row is rejected for good and its object removed;
    ``UploadRejected`` from then on.
    """
    voice = owned_voice(user_id=user_id, voice_id=voice_id)
    if voice.status == MediaStatus.UPLOADING:
        _decide(voice)
        voice = owned_voice(user_id=user_id, voice_id=voice_id)
    if voice.status == MediaStatus.REJECTED:
        raise UploadRejected(voice.rejection_detail or None, reason=voice.rejection)
    return voice


def _check_number(user_id: UUID) -> None:
    """Raise ``TooManyVoices``; the user's row is held, so that two do not take one place."""
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
    voices = VoiceClone.objects.filter(user_id=user_id).exclude(status=MediaStatus.REJECTED)
    if voices.count() >= settings.MAX_VOICES:
        raise TooManyVoices(max_voices=settings.MAX_VOICES)


def _printable(field: str, text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise field_problem(field, "invalid", "Control characters are not allowed.")
    return text


def _decide(voice: VoiceClone) -> None:
    """Have it checked, or reject it; without a word where another confirm was faster."""
    try:
        size_bytes = _arrived(voice)
    except Refused as refused:
        if reject(_waiting(voice), voice, Refusal(refused.default_code, str(refused.detail))):
            raise
    except Problem:
        if _waiting(voice).exists():
            raise
    else:
        _waiting(voice).update(
            status=MediaStatus.CHECKING, file_size_bytes=size_bytes, check_at=Now(), check_tries=0
        )


def _arrived(voice: VoiceClone) -> int:
    """How many bytes there are of it."""
    try:
        size_bytes = object_storage().head(voice.sample_r2_key).size_bytes
    except ObjectMissing as exc:
        raise UploadMissing from exc
    _check_size(size_bytes, told=voice.file_size_bytes)
    return size_bytes


def _check_size(size_bytes: int, *, told: int | None) -> None:
    if size_bytes == 0:
        raise EmptyFile
    limit = settings.MAX_VOICE_SAMPLE_BYTES
    if size_bytes > (limit if told is None else min(told, limit)):
        raise FileTooLarge
    if told is not None and size_bytes < told:
        raise SizeMismatch


def _waiting(voice: VoiceClone) -> QuerySet[VoiceClone]:
    # Every outcome is written through this filter, so the first confirm wins.
    return VoiceClone.objects.filter(pk=voice.pk, status=MediaStatus.UPLOADING)
