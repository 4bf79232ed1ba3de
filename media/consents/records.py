"""Consents are given: for media, or for the sample of a voice; and asked for."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from auteur.api.problems import NotFoundProblem, Problem, Resource, field_problem
from media.access import get_voice
from media.consents.models import Consent, ConsentKind, ConsentStatus
from media.consents.statements import STATEMENTS, worded
from media.models import MediaFile, MediaStatus, VoiceClone
from media.uploads import printable

MAX_COVERED = 100
"""Media files of one consent."""
MAX_CONSENTS = 1000
"""Consents of one user for media that are not revoked; voices have a limit of their own."""
MAX_STEPS = 20
"""How far back a consent is looked for, from a media file to what it was made from."""


class TooManyConsentsProblem(Problem):
    """One must be revoked before another is given."""

    status_code = 409
    default_code = "too_many_consents"
    default_detail = "You have reached the limit of recorded consents."


class ConsentRequiredProblem(Problem):
    """Nobody's face is used without a consent that is recorded and not revoked."""

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
    """Record that ``subject`` agrees; ``statement`` is what the client showed, if not ours.

    Raises ``NotFoundProblem``, a 400 about a field, and ``TooManyConsentsProblem``.
    """
    _check_count(user_id)
    _check_media(user_id, set(media_ids))
    if voice_id is not None:
        try:
            get_voice(user_id=user_id, voice_id=voice_id)
        except NotFoundProblem as exc:
            raise NotFoundProblem(Resource.VOICE, field="voice_id") from exc
    words = worded(kind, statement)
    return Consent.objects.create(
        user_id=user_id,
        kind=kind,
        subject=printable("subject", subject),
        statement=words.text,
        statement_version=words.version,
        media_ids=sorted(set(media_ids)),
        voice_id=voice_id,
    )


def record_voice_consent(voice: VoiceClone) -> None:
    """Record the consent that a new voice has come with, in the caller's transaction."""
    Consent.objects.create(
        user_id=voice.user_id,
        kind=ConsentKind.VOICE,
        subject=voice.name,
        statement=voice.consent_statement,
        statement_version=voice.consent_version,
        voice_id=voice.pk,
    )


def _check_count(user_id: UUID) -> None:
    # Until the transaction ends, no other consent of the user is counted.
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
    given = Consent.objects.filter(user_id=user_id, status=ConsentStatus.GIVEN, voice_id=None)
    if given.count() >= MAX_CONSENTS:
        raise TooManyConsentsProblem(max_consents=MAX_CONSENTS)


def _check_media(user_id: UUID, media_ids: set[UUID]) -> None:
    if len(media_ids) > MAX_COVERED:
        detail = f"A consent covers {MAX_COVERED} media files at most."
        raise field_problem("media_ids", "max_length", detail)
    rows = MediaFile.objects.filter(user_id=user_id, pk__in=media_ids)
    if rows.exclude(status=MediaStatus.REJECTED).count() != len(media_ids):
        raise NotFoundProblem(Resource.MEDIA_FILE, field="media_ids")


def has_consent(*, kind: ConsentKind, media: MediaFile) -> bool:
    """Whether the media file, or something that it was made from, is covered."""
    given = Consent.objects.filter(user_id=media.user_id, kind=kind, status=ConsentStatus.GIVEN)
    ids, origins = {media.pk}, [media.origin]
    for _ in range(MAX_STEPS):
        if given.filter(media_ids__overlap=list(ids)).exists():
            return True
        ids = {UUID(source) for origin in origins for source in _sources(origin)}
        if not ids:
            return False
        before = MediaFile.objects.filter(user_id=media.user_id, pk__in=ids)
        origins = list(before.values_list("origin", flat=True))
    return False


def _sources(origin: dict[str, Any] | None) -> list[str]:
    found: list[str] = (origin or {}).get("media_ids", [])
    return found
