"""Revoke a consent: nothing new begins with it; `media.consents.removal_worker` does the rest."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur.api.problems import NotFoundProblem, Resource
from gpu_tasks.runtime.errors import InputRefusedError
from media.consents import archives, receipts
from media.consents.models import Consent, ConsentStatus
from media.deletion import lock_media
from media.models import MediaFile, MediaStatus, Upload, VoiceClone

BY_USER = "user"


class ConsentRevokedError(InputRefusedError):
    """Of media and voices that may not be used any more."""

    code = "consent_revoked"
    detail = "The consent to use it has been revoked."


def get_consent(*, user_id: UUID, consent_id: UUID) -> Consent:
    """One of the user's consents; raises ``NotFoundProblem``."""
    found = Consent.objects.filter(pk=consent_id, user_id=user_id).first()
    if found is None:
        raise NotFoundProblem(Resource.CONSENT)
    return found


def revoke_consent(*, consent: Consent, by: str = BY_USER) -> Consent:
    """Revoke it, once however often called; whoever submits a job on what it covers is refused."""
    with transaction.atomic():
        locked = Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)
        if locked.status == ConsentStatus.GIVEN:
            _withdraw(locked)
            archives.revoke_exports(locked)
            Consent.objects.filter(pk=locked.pk).update(
                status=ConsentStatus.REVOKED, revoked_at=Now(), revoked_by=by, due_at=Now()
            )
    return Consent.objects.get(pk=consent.pk)


def _withdraw(consent: Consent) -> None:
    """Make what is covered unusable, while submissions that hold it are waited for."""
    files = MediaFile.objects.filter(user_id=consent.user_id, pk__in=consent.media_ids)
    voices = VoiceClone.objects.filter(user_id=consent.user_id, pk__in=consent.covered)
    rows: list[Upload] = [*lock_media(files), *voices.select_for_update()]
    receipts.name_rows(consent, rows)
    for row in rows:
        type(row)._default_manager.filter(pk=row.pk).update(
            status=MediaStatus.REJECTED,
            check_at=None,
            check_claim=None,
            **row.refused(ConsentRevokedError()),
        )
