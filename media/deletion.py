"""Deleting media: the row first, its objects after commit, and nothing that is in use."""

import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from django.db import transaction

from auteur.api.problems import Problem
from media.access import owned_media
from media.models import MediaFile
from media.storage import STORAGE_ERRORS, object_storage

logger = logging.getLogger(__name__)


UsageFinder = Callable[[UUID], Iterable[str]]
"""Answers what needs a media file, each in words fit for its owner."""

_finders: list[UsageFinder] = []


class MediaInUse(Problem):
    """Deleting it would pull it away from under open work; the document lists which."""

    status_code = 409
    default_code = "media_in_use"
    default_detail = "The media file is used by work that has not ended."


def register_usage(finder: UsageFinder) -> UsageFinder:
    """Have ``finder`` asked, with the media file's id, before one is deleted.

    The rooms above register in their ``AppConfig.ready``; registering twice counts once.
    """
    if finder not in _finders:
        _finders.append(finder)
    return finder


def usages_of(media_id: UUID) -> list[str]:
    """What still needs the media file."""
    return [usage for finder in _finders for usage in finder(media_id)]


def delete_media(*, user_id: UUID, media_id: UUID, project_id: UUID | None = None) -> None:
    """Delete one of the user's media files; raises ``NotFound`` and ``MediaInUse``."""
    with transaction.atomic():
        media = owned_media(user_id=user_id, media_id=media_id, project_id=project_id, lock=True)
        used_by = usages_of(media_id)
        if used_by:
            raise MediaInUse(used_by=used_by)
        media.delete()
        remove_after_commit(_keys([media]))


def delete_project_media(project_id: UUID) -> None:
    """Delete all media of a project whose jobs have been cancelled, in the caller's transaction."""
    rows = MediaFile.objects.filter(project_id=project_id)
    # In the order in which submissions hold their media.
    list(rows.select_for_update().order_by("pk").values_list("pk"))
    keys = _keys(rows)
    rows.delete()
    remove_after_commit(keys)


def remove_after_commit(keys: list[str]) -> None:
    """Remove objects once their rows are gone for good; a storage that fails is logged."""
    transaction.on_commit(lambda: _remove(keys), robust=True)


def _remove(keys: list[str]) -> None:
    storage = object_storage()
    for done, key in enumerate(keys):
        try:
            storage.delete(key)
        except STORAGE_ERRORS as exc:
            # One that is away stays away: the request does not wait for each key's timeout.
            logger.warning("%d objects left behind: %s", len(keys) - done, type(exc).__name__)
            return


def _keys(rows: Iterable[MediaFile]) -> list[str]:
    return [key for row in rows for key in (row.r2_key, row.thumbnail_r2_key) if key]
