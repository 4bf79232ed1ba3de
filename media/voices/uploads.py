"""Voices that users bring: a sample, uploaded as files are, with consent (`media.uploads`)."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur.api.problems import Problem
from media.access import owned_voice
from media.deletion import remove_after_commit, usages_of
from media.kinds import VOICES
from media.models import VoiceClone
from media.uploads import UploadTarget, begin, confirm, declare, printable

CONSENT_STATEMENT = (
    "The voice in this recording is my own, or its owner has allowed me to have speech made with "
    "it. I may withdraw this at any time by deleting the voice."
)
CONSENT_VERSION = "1"
"""Counted up with each change of the statement."""


class ConsentRequiredProblem(Problem):
    """Nobody's voice is taken without their consent."""

    default_code = "consent_required"
    default_detail = "A voice needs the consent of the person who speaks."

    def __init__(self) -> None:
        error = {"field": "consent", "code": self.default_code, "detail": self.default_detail}
        super().__init__(statement=CONSENT_STATEMENT, errors=[error])


class VoiceInUseProblem(Problem):
    """Open work speaks with it (``used_by``)."""

    status_code = 409
    default_code = "voice_in_use"
    default_detail = "The voice is used by work that has not ended."


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
    """Make the row of a voice and the URL of its sample.

    ``consent_statement`` is what the client showed, if not ours. Raises ``ConsentRequiredProblem``,
    a 400 about a name, and as ``declare`` and ``begin`` do.
    """
    if not consent:
        raise ConsentRequiredProblem
    voice = declare(VOICES, user_id=user_id, content_type=content_type, size_bytes=size_bytes)
    voice.name = printable("name", name)
    voice.filename = printable("filename", filename)
    voice.consent_statement = consent_statement or CONSENT_STATEMENT
    voice.consent_version = "" if consent_statement else CONSENT_VERSION
    voice.consented_at = Now()
    return begin(VOICES, voice, plan=plan)


def confirm_voice(*, user_id: UUID, voice_id: UUID) -> VoiceClone:
    """As ``media.uploads.confirm``; raises ``NotFoundProblem``, too."""
    return confirm(VOICES, lambda: owned_voice(user_id=user_id, voice_id=voice_id))


@transaction.atomic
def delete_voice(*, user_id: UUID, voice_id: UUID) -> None:
    """Delete one of the user's voices for good.

    Raises ``NotFoundProblem`` and ``VoiceInUseProblem``.
    """
    voice = owned_voice(user_id=user_id, voice_id=voice_id, lock=True)
    if used_by := usages_of(voice):
        raise VoiceInUseProblem(used_by=used_by)
    remove_after_commit([voice])
    voice.delete()
