"""Revoke consents; `media.consents.removal_worker` then removes what they cover."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur.core.api.problems import NotFoundProblem, Resource
from gpu_tasks.runtime.errors import InputRefusedError
from media.consents import archives, receipts
from media.consents.models import Consent, ConsentStatus
from media.deletion import lock_media
from media.models import MediaFile, MediaStatus, Upload, VoiceClone

BY_USER = "user"


class ConsentRevokedError(InputRefusedError):
    """Raised for media and voices whose consent was revoked."""

    code = "consent_revoked"
    detail = "The consent to use this file has been revoked."


def get_consent(*, user_id: UUID, consent_id: UUID) -> Consent:
    """Return one of the user's consents, or raise ``NotFoundProblem``."""
    consent = Consent.objects.filter(pk=consent_id, user_id=user_id).first()
    if consent is None:
        raise NotFoundProblem(Resource.CONSENT)
    return consent


def revoke_consent(*, consent: Consent, by: str = BY_USER) -> Consent:
    """Revoke the consent idempotently; from then on, jobs on what it covers are refused."""
    with transaction.atomic():
        locked = Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)
        if locked.status == ConsentStatus.ACTIVE:
            _reject_covered(locked)
            archives.revoke_exports(locked)
            Consent.objects.filter(pk=locked.pk).update(
                status=ConsentStatus.REVOKED, revoked_at=Now(), revoked_by=by, due_at=Now()
            )
    return Consent.objects.get(pk=consent.pk)


def _reject_covered(consent: Consent) -> None:
    """Reject the covered media and voices, after submissions that hold their locks."""
    files = MediaFile.objects.filter(user_id=consent.user_id, pk__in=consent.media_ids)
    voices = VoiceClone.objects.filter(user_id=consent.user_id, pk__in=consent.covered)
    rows: list[Upload] = [*lock_media(files), *voices.select_for_update()]
    receipts.add_rows(consent, rows)
    for row in rows:
        type(row)._default_manager.filter(pk=row.pk).update(
            status=MediaStatus.REJECTED,
            check_at=None,
            check_claim=None,
            **row.refused(ConsentRevokedError()),
        )
