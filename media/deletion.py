"""Delete media that is not in use: the row first, and its objects after commit.

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

from auteur.core.api.problems import Problem
from media.access import get_media
from media.models import MediaFile, Upload
from media.storage import STORAGE_ERRORS, object_storage

logger = logging.getLogger(__name__)

MEDIA_PER_BATCH = 100
"""Media of a deleted project per transaction. Their objects are deleted one by one."""

UsageFinder = Callable[[Any], Iterable[str]]
"""Returns the open work that uses a media file or a voice, in words for its owner."""

_finders: defaultdict[type[Upload], list[UsageFinder]] = defaultdict(list)


class Timelines(Protocol):
    """The interface that the app of the timelines implements."""

    def list_showing_projects(self, *, user_id: UUID, media_id: UUID) -> list[dict[str, Any]]:
        """Return the user's projects that show the media file, with the clips that show it."""
        ...

    def take_offline(
        self, *, user_id: UUID, media_ids: Collection[UUID], leaving: UUID | None = None
    ) -> None:
        """Mark the clips of deleted media offline, except in the deleted project ``leaving``."""
        ...


_timelines: list[Timelines] = []


class MediaInUseProblem(Problem):
    """Raised if open work reads the media (``used_by``) or timelines show it (``shown_in``)."""

    status_code = 409
    default_code = "media_in_use"
    default_detail = (
        "The media file is used by open work, or shown on a timeline. Wait for the work to end, or "
        "delete it with force=true if only timelines show it."
    )


def register_usage(finder: UsageFinder, model: type[Upload] = MediaFile) -> UsageFinder:
    """Register a function that is called with the row before a media file or voice is deleted.

    Apps call this in their ``AppConfig.ready``; a second call has no effect.
    """
    if finder not in _finders[model]:
        _finders[model].append(finder)
    return finder


def register_timelines(timelines: Timelines) -> None:
    """Register timelines that are queried before and updated after media is deleted."""
    if timelines not in _timelines:
        _timelines.append(timelines)


def list_usages(row: Upload) -> list[str]:
    """Return descriptions of the open work that uses the media file or the voice."""
    return [usage for finder in _finders[type(row)] for usage in finder(row)]


def delete_media(
    *, user_id: UUID, media_id: UUID, project_id: UUID | None = None, force: bool = False
) -> None:
    """Delete one of the user's media files; raises ``NotFoundProblem`` and ``MediaInUseProblem``.

    With ``force``, it is deleted although clips show it; open work always prevents the deletion.
    """
    with transaction.atomic():
        media = get_media(user_id=user_id, media_id=media_id, project_id=project_id, lock=True)
        _check_unused(media, force)
        delete_objects_after_commit([media])
        media.delete()
        _mark_clips_offline(user_id, [media_id])


def _check_unused(media: MediaFile, force: bool) -> None:
    used_by = list_usages(media)
    shown_in = [
        project
        for timelines in _timelines
        for project in timelines.list_showing_projects(user_id=media.user_id, media_id=media.pk)
    ]
    if used_by or (shown_in and not force):
        raise MediaInUseProblem(used_by=used_by, shown_in=shown_in)


def _mark_clips_offline(
    user_id: UUID, media_ids: Collection[UUID], leaving: UUID | None = None
) -> None:
    for timelines in _timelines:
        timelines.take_offline(user_id=user_id, media_ids=media_ids, leaving=leaving)


@transaction.atomic
def delete_project_media(project_id: UUID) -> int:
    """Delete a batch of media of a project whose jobs were cancelled, and return how many."""
    newest = MediaFile.objects.filter(project_id=project_id).order_by("-created_at", "-pk")
    media_ids = list(newest.values_list("pk", flat=True)[:MEDIA_PER_BATCH])
    rows = lock_media(MediaFile.objects.filter(pk__in=media_ids))
    delete_locked_media(rows, leaving=project_id)
    delete_objects_after_commit(rows)
    return len(media_ids)


def lock_media(rows: QuerySet[MediaFile]) -> list[MediaFile]:
    """Lock and return the media files, in the order in which submissions lock theirs."""
    return list(rows.select_for_update().order_by("pk"))


def delete_locked_media(rows: Sequence[MediaFile], leaving: UUID | None = None) -> None:
    """Delete locked rows and mark their clips offline; the caller deletes the objects."""
    MediaFile.objects.filter(pk__in=[row.pk for row in rows]).delete()
    for user_id in {row.user_id for row in rows}:
        media_ids = [row.pk for row in rows if row.user_id == user_id]
        _mark_clips_offline(user_id, media_ids, leaving=leaving)


def delete_objects_after_commit(rows: Sequence[Upload]) -> None:
    """Delete the objects of deleted rows after commit; storage failures are logged."""
    keys = [key for row in rows for key in row.object_keys()]

    def delete_parts_and_objects() -> None:
        # Abort the parts first: then no confirm can join them after the object was deleted.
        abort_uploads(rows)
        delete_objects(keys)

    transaction.on_commit(delete_parts_and_objects, robust=True)


def abort_uploads(rows: Iterable[Upload]) -> None:
    """Delete the parts of uploads that are over; parts that remain are swept later."""
    for row in rows:
        try:
            if row.upload_id:
                object_storage().abort_parts(row.object_key, row.upload_id)
        except STORAGE_ERRORS as exc:
            logger.warning("parts of an upload could not be deleted: %s", type(exc).__name__)
            return


def delete_objects(keys: list[str]) -> int:
    """Delete objects in order, and return how many before the storage failed."""
    storage = object_storage()
    for deleted_count, key in enumerate(keys):
        try:
            storage.delete(key)
        except STORAGE_ERRORS as exc:
            # Stop at the first failure: the request must not wait for a timeout for each key.
            logger.warning(
                "%d objects could not be deleted: %s", len(keys) - deleted_count, type(exc).__name__
            )
            return deleted_count
    return len(keys)
