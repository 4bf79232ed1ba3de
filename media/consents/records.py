"""Record consents for media and voices, and check whether media has one."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from auteur.core.api.problems import NotFoundProblem, Problem, Resource, field_problem
from media.access import get_voice
from media.consents.models import Consent, ConsentKind, ConsentStatus
from media.consents.statements import STATEMENTS, choose_statement
from media.models import MediaFile, MediaStatus, VoiceClone
from media.uploads import check_printable

MAX_COVERED = 100
"""Media files that one consent covers."""
MAX_CONSENTS = 1000
"""Unrevoked consents of one user for media. Voices have a separate limit."""
MAX_STEPS = 20
"""How many generations of sources are searched for a consent."""


class TooManyConsentsProblem(Problem):
    """Raised if the user has the maximum number of recorded consents."""

    status_code = 409
    default_code = "too_many_consents"
    default_detail = (
        "You have reached the limit of recorded consents. Revoke one before you record another."
    )


class ConsentRequiredProblem(Problem):
    """Raised if media of a person is used without a recorded consent that is in force."""

    status_code = 422
    default_code = "consent_required"
    default_detail = (
        "The person in this file must consent first. Record the consent with POST /consents."
    )

    def __init__(self, *, field: str, kind: ConsentKind) -> None:
        error = {"field": field, "code": self.default_code, "detail": self.default_detail}
        super().__init__(kind=kind.value, statement=STATEMENTS[kind].text, errors=[error])


@transaction.atomic
def record_consent(
    *,
    user_id: UUID,
    kind: ConsentKind,
    subject: str,
    media_ids: Collection[UUID] = (),
    voice_id: UUID | None = None,
    statement: str = "",
) -> Consent:
    """Record the consent of ``subject``; ``statement`` is the client's own text, if not ours.

    Raises ``NotFoundProblem``, a 400 about a field, and ``TooManyConsentsProblem``.
    """
    _check_count(user_id)
    _check_media(user_id, set(media_ids))
    if voice_id is not None:
        try:
            get_voice(user_id=user_id, voice_id=voice_id)
        except NotFoundProblem as exc:
            raise NotFoundProblem(Resource.VOICE, field="voice_id") from exc
    agreement = choose_statement(kind, statement)
    return Consent.objects.create(
        user_id=user_id,
        kind=kind,
        subject=check_printable("subject", subject),
        statement=agreement.text,
        statement_version=agreement.version,
        media_ids=sorted(set(media_ids)),
        voice_id=voice_id,
    )


def record_voice_consent(voice: VoiceClone) -> None:
    """Record the consent that was submitted with a new voice, in the caller's transaction."""
    Consent.objects.create(
        user_id=voice.user_id,
        kind=ConsentKind.VOICE,
        subject=voice.name,
        statement=voice.consent_statement,
        statement_version=voice.consent_version,
        voice_id=voice.pk,
    )


def _check_count(user_id: UUID) -> None:
    # The lock serializes the user's requests, so that two cannot pass the limit together.
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
    consents = Consent.objects.filter(user_id=user_id, status=ConsentStatus.ACTIVE, voice_id=None)
    if consents.count() >= MAX_CONSENTS:
        raise TooManyConsentsProblem(max_consents=MAX_CONSENTS)


def _check_media(user_id: UUID, media_ids: set[UUID]) -> None:
    if len(media_ids) > MAX_COVERED:
        detail = f"A consent covers at most {MAX_COVERED} media files. Record several consents."
        raise field_problem("media_ids", "max_length", detail)
    rows = MediaFile.objects.filter(user_id=user_id, pk__in=media_ids)
    if rows.exclude(status=MediaStatus.REJECTED).count() != len(media_ids):
        raise NotFoundProblem(Resource.MEDIA_FILE, field="media_ids")


def has_consent(*, kind: ConsentKind, media: MediaFile) -> bool:
    """Return True if a consent covers the media file or one of its sources, direct or indirect."""
    consents = Consent.objects.filter(user_id=media.user_id, kind=kind, status=ConsentStatus.ACTIVE)
    ids, origins = {media.pk}, [media.origin]
    for _ in range(MAX_STEPS):
        if consents.filter(media_ids__overlap=list(ids)).exists():
            return True
        ids = {UUID(source) for origin in origins for source in _list_source_ids(origin)}
        if not ids:
            return False
        sources = MediaFile.objects.filter(user_id=media.user_id, pk__in=ids)
        origins = list(sources.values_list("origin", flat=True))
    return False


def _list_source_ids(origin: dict[str, Any] | None) -> list[str]:
    source_ids: list[str] = (origin or {}).get("media_ids", [])
    return source_ids
