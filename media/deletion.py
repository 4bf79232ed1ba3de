"""Deleting media: the row first, its objects after commit, and nothing that is in use.

With ``force``, media that timelines show is deleted too: their clips are marked as offline while
the row is locked. Adding a clip locks the same row, so no clip of deleted media stays unmarked.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from auteur.api.problems import Problem
from media.access import get_media
from media.models import MediaFile, Upload
from media.storage import STORAGE_ERRORS, object_storage

logger = logging.getLogger(__name__)

MEDIA_AT_ONCE = 100
"""Of a project that is being deleted, in one transaction: their objects go one by one."""

UsageFinder = Callable[[Any], Iterable[str]]
"""Answers what needs a media file or a voice, each in words fit for its owner."""

_finders: defaultdict[type[Upload], list[UsageFinder]] = defaultdict(list)


class Timelines(Protocol):
    """What the room of the timelines offers."""

    def list_showing_projects(self, *, user_id: UUID, media_id: UUID) -> list[dict[str, Any]]:
        """The user's projects that play the media file, each with the clips that do."""
        ...

    def take_offline(
        self, *, user_id: UUID, media_ids: Collection[UUID], leaving: UUID | None = None
    ) -> None:
        """Mark the clips of media that is being deleted, but for a project that goes itself."""
        ...


_timelines: list[Timelines] = []


class MediaInUseProblem(Problem):
    """Open work reads it (``used_by``), or timelines show it (``shown_in``)."""

    status_code = 409
    default_code = "media_in_use"
    default_detail = "The media file is used by work that has not ended, or shown on a timeline."


def register_usage(finder: UsageFinder, model: type[Upload] = MediaFile) -> UsageFinder:
    """Have ``finder`` asked, with its row, before a media file (or a voice) is deleted.

    The rooms above register in their ``AppConfig.ready``; registering twice counts once.
    """
    if finder not in _finders[model]:
        _finders[model].append(finder)
    return finder


def register_timelines(timelines: Timelines) -> None:
    """Have ``timelines`` asked before media is deleted, and told when it is."""
    if timelines not in _timelines:
        _timelines.append(timelines)


def list_usages(row: Upload) -> list[str]:
    """What still needs the media file or the voice."""
    return [usage for finder in _finders[type(row)] for usage in finder(row)]


def delete_media(
    *, user_id: UUID, media_id: UUID, project_id: UUID | None = None, force: bool = False
) -> None:
    """Delete one of the user's media files; raises ``NotFoundProblem`` and ``MediaInUseProblem``.

    With ``force``, clips that show it are no hindrance; open work always is.
    """
    with transaction.atomic():
        media = get_media(user_id=user_id, media_id=media_id, project_id=project_id, lock=True)
        _refuse_if_used(media, force)
        delete_objects_after_commit([media])
        media.delete()
        _take_offline(user_id, [media_id])


def _refuse_if_used(media: MediaFile, force: bool) -> None:
    used_by = list_usages(media)
    shown_in = [
        project
        for timelines in _timelines
        for project in timelines.list_showing_projects(user_id=media.user_id, media_id=media.pk)
    ]
    if used_by or (shown_in and not force):
        raise MediaInUseProblem(used_by=used_by, shown_in=shown_in)


def _take_offline(user_id: UUID, media_ids: Collection[UUID], leaving: UUID | None = None) -> None:
    for timelines in _timelines:
        timelines.take_offline(user_id=user_id, media_ids=media_ids, leaving=leaving)


@transaction.atomic
def delete_project_media(project_id: UUID) -> int:
    """Delete some media of a project whose jobs have been cancelled; returns how many."""
    latest = MediaFile.objects.filter(project_id=project_id).order_by("-created_at", "-pk")
    some = list(latest.values_list("pk", flat=True)[:MEDIA_AT_ONCE])
    held = lock_media(MediaFile.objects.filter(pk__in=some))
    delete_locked(held, leaving=project_id)
    delete_objects_after_commit(held)
    return len(some)


def lock_media(rows: QuerySet[MediaFile]) -> list[MediaFile]:
    """The media files, locked in the order in which submissions hold theirs."""
    return list(rows.select_for_update().order_by("pk"))


def delete_locked(held: Sequence[MediaFile], leaving: UUID | None = None) -> None:
    """Delete locked rows, and mark the clips that show them; their objects are the caller's."""
    MediaFile.objects.filter(pk__in=[row.pk for row in held]).delete()
    for user_id in {row.user_id for row in held}:
        media_ids = [row.pk for row in held if row.user_id == user_id]
        _take_offline(user_id, media_ids, leaving=leaving)


def delete_objects_after_commit(rows: Sequence[Upload]) -> None:
    """Remove the objects of rows that are going for good; a storage that fails is logged."""
    keys = [key for row in rows for key in row.object_keys()]

    def remove() -> None:
        # Parts first: what a confirm has joined by then is removed, and later it joins nothing.
        abort_uploads(rows)
        delete_objects(keys)

    transaction.on_commit(remove, robust=True)


def abort_uploads(rows: Iterable[Upload]) -> None:
    """Remove the parts of uploads that are over; what the storage keeps now is swept later."""
    for row in rows:
        try:
            if row.upload_id:
                object_storage().abort_parts(row.object_key, row.upload_id)
        except STORAGE_ERRORS as exc:
            logger.warning("parts left behind: %s", type(exc).__name__)
            return


def delete_objects(keys: list[str]) -> int:
    """Remove objects in order; returns how many before the storage failed, if it did."""
    storage = object_storage()
    for done, key in enumerate(keys):
        try:
            storage.delete(key)
        except STORAGE_ERRORS as exc:
            # One that is away stays away: the request does not wait for each key's timeout.
            logger.warning("%d objects left behind: %s", len(keys) - done, type(exc).__name__)
            return done
    return len(keys)
