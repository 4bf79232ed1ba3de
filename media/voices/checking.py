"""Voice samples that have been confirmed are listened to, and become ready or are rejected."""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from gpu_tasks.runtime.errors import Refusal
from media.checking import CheckFailed, UploadLost, ended_by
from media.deletion import remove_after_commit
from media.inspection import look
from media.limits import LISTENING
from media.lines import Claim, Line
from media.models import MediaStatus, VoiceClone
from media.storage import ObjectMissing, object_storage


def _give_up(rows: QuerySet[VoiceClone]) -> int:
    with transaction.atomic():
        held = list(rows.select_for_update(no_key=True))
        return sum(reject(VoiceClone.objects.filter(pk=row.pk), row, CheckFailed()) for row in held)


CHECKS = Line(
    VoiceClone,
    status=MediaStatus.CHECKING,
    at="check_at",
    claim_by="check_claim",
    tries="check_tries",
    give_up=_give_up,
)


def run(voice_id: UUID) -> None:
    """Check a voice that waits for it; others are left alone."""
    claim = CHECKS.claim(voice_id)
    voice = claim.row.first() if claim else None
    if claim is None or voice is None:
        return
    with ended_by(claim, lambda refusal: reject(claim.row, voice, refusal)):
        _check(claim, voice)


def _check(claim: Claim[VoiceClone], voice: VoiceClone) -> None:
    storage = object_storage()
    try:
        storage.head(voice.sample_r2_key)
    except ObjectMissing as exc:
        raise UploadLost from exc
    found = look(
        "media.voices.samples:examined",
        storage.probe_source(voice.sample_r2_key),
        limits=LISTENING,
        tick=claim.renew,
    )
    claim.finish(
        status=MediaStatus.READY,
        sample_duration_ms=found["duration_ms"],
        speech_duration_ms=found["speech_duration_ms"],
    )


def reject(rows: QuerySet[VoiceClone], voice: VoiceClone, refusal: Refusal) -> bool:
    """Refuse what is still among ``rows``, for good, and remove its object; whether it was."""
    with transaction.atomic():
        rejected = rows.update(
            status=MediaStatus.REJECTED,
            check_at=None,
            check_claim=None,
            rejection=refusal.code,
            rejection_detail=refusal.detail,
        )
        if rejected:
            remove_after_commit([voice.sample_r2_key])
    return rejected == 1
