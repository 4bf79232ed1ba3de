"""Upload and delete voices: a sample, uploaded like media (`media.uploads`), with consent."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur.core.api.problems import Problem
from media.access import get_voice
from media.consents.models import ConsentKind
from media.consents.records import record_voice_consent
from media.consents.statements import STATEMENTS, choose_statement
from media.deletion import delete_objects_after_commit, list_usages
from media.kinds import VOICES
from media.models import VoiceClone
from media.uploads import (
    UploadTarget,
    begin_upload,
    check_printable,
    complete_upload,
    declare_upload,
)

CONSENT_STATEMENT = STATEMENTS[ConsentKind.VOICE].text
CONSENT_VERSION = STATEMENTS[ConsentKind.VOICE].version


class ConsentRequiredProblem(Problem):
    """Raised if a voice is created without the consent of the speaker."""

    default_code = "consent_required"
    default_detail = (
        "A voice needs the consent of the speaker. Send consent: true once you have it."
    )

    def __init__(self) -> None:
        error = {"field": "consent", "code": self.default_code, "detail": self.default_detail}
        super().__init__(statement=CONSENT_STATEMENT, errors=[error])


class VoiceInUseProblem(Problem):
    """Raised if open work uses the voice (``used_by``)."""

    status_code = 409
    default_code = "voice_in_use"
    default_detail = "The voice is used by open work. Wait for its end, or cancel it."


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
) -> UploadTarget:
    """Create the row of a voice and the upload URL of its sample.

    ``consent_statement`` is the client's own text, if not ours. Raises ``ConsentRequiredProblem``,
    a 400 about a name, and what ``declare_upload`` and ``begin_upload`` raise.
    """
    if not consent:
        raise ConsentRequiredProblem
    voice = declare_upload(
        VOICES, user_id=user_id, content_type=content_type, size_bytes=size_bytes
    )
    voice.name = check_printable("name", name)
    voice.filename = check_printable("filename", filename)
    statement = choose_statement(ConsentKind.VOICE, consent_statement)
    voice.consent_statement, voice.consent_version = statement.text, statement.version
    voice.consented_at = Now()
    return begin_upload(VOICES, voice, plan=plan, check=lambda: record_voice_consent(voice))


def confirm_voice(*, user_id: UUID, voice_id: UUID) -> VoiceClone:
    """Confirm a voice like ``media.uploads.complete_upload``; also raises ``NotFoundProblem``."""
    return complete_upload(VOICES, lambda: get_voice(user_id=user_id, voice_id=voice_id))


@transaction.atomic
def delete_voice(*, user_id: UUID, voice_id: UUID) -> None:
    """Delete one of the user's voices permanently.

    Media made with it remains until its consent is revoked (`media.consents`). Raises
    ``NotFoundProblem`` and ``VoiceInUseProblem``.
    """
    voice = get_voice(user_id=user_id, voice_id=voice_id, lock=True)
    if used_by := list_usages(voice):
        raise VoiceInUseProblem(used_by=used_by)
    delete_objects_after_commit([voice])
    voice.delete()
