"""Deleting voices: the row first, its object after commit, and none that open work speaks with."""

from uuid import UUID

from django.db import transaction

from auteur.api.problems import Problem
from media.access import owned_voice
from media.deletion import UsageFinder, remove_after_commit

_finders: list[UsageFinder] = []


class VoiceInUse(Problem):
    """Open work speaks with it (``used_by``)."""

    status_code = 409
    default_code = "voice_in_use"
    default_detail = "The voice is used by work that has not ended."


def register_usage(finder: UsageFinder) -> UsageFinder:
    """Have ``finder`` asked, with the voice's id, before one is deleted; twice counts once."""
    if finder not in _finders:
        _finders.append(finder)
    return finder


def delete_voice(*, user_id: UUID, voice_id: UUID) -> None:
    """Delete one of the user's voices for good; raises ``NotFound`` and ``VoiceInUse``."""
    with transaction.atomic():
        voice = owned_voice(user_id=user_id, voice_id=voice_id, lock=True)
        used_by = [usage for finder in _finders for usage in finder(voice_id)]
        if used_by:
            raise VoiceInUse(used_by=used_by)
        voice.delete()
        remove_after_commit([voice.sample_r2_key])
