"""Store the timelines and render segments of a project's renders, and sweep old ones."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Now

from auteur.core.api.problems import Problem
from auteur.core.database import clock
from media.deletion import delete_objects
from media.storage import StoredObject, object_storage
from media.storage.owners import Owner, register_object_owner
from projects.models import Project, RenderFolder

SEGMENT_MAX_AGE = timedelta(days=14)
"""The maximum age of a render segment. A later render makes a swept segment again."""
TIMELINE_MAX_AGE = timedelta(days=2)
"""The maximum age of a stored timeline: longer than the job that names it can wait and run."""
SWEEP_INTERVAL = timedelta(days=1)
MAX_TIMELINES = 500
"""Timelines of one user that wait to be rendered or swept."""
MAX_STORED_BYTES = 4 * 1024**2
TIMELINE_PREFIX = "timeline-"

FOLDERS_AT_ONCE = 20


class TooManyRendersProblem(Problem):
    """Raised if the user has the maximum number of stored timelines."""

    status_code = 409
    default_code = "too_many_renders"
    default_detail = (
        f"At most {MAX_TIMELINES} renders can be submitted within two or three days. Try again "
        "tomorrow."
    )


class StoredTimelineTooLargeProblem(Problem):
    """Raised if the timeline with its captions is too large to be stored for a render."""

    status_code = 422
    default_code = "timeline_too_large"
    default_detail = (
        "The timeline and its captions are too large to render. Shorten the timeline, or render "
        "without captions."
    )


def get_folder(user_id: UUID, project_id: UUID) -> str:
    """Return the prefix of the storage keys of a project's renders."""
    return f"users/{user_id}/renders/{project_id}/"


def get_timeline_key(project: Project, name: str) -> str:
    """Return the storage key of a timeline."""
    return f"{get_folder(project.user_id, project.pk)}{TIMELINE_PREFIX}{name}.json"


def get_segment_key(project: Project, name: str) -> str:
    """Return the storage key of a render segment."""
    return f"{get_folder(project.user_id, project.pk)}{name}.stretch"


def schedule_sweep(project: Project) -> None:
    """Schedule the next sweep of the folder for tomorrow, before something is stored in it."""
    RenderFolder.objects.update_or_create(
        project_id=project.pk,
        defaults={"user_id": project.user_id, "sweep_at": Now() + SWEEP_INTERVAL},
    )


def store_timeline(project: Project, name: str, content: bytes) -> None:
    """Store a timeline under its name.

    Raises ``StoredTimelineTooLargeProblem`` and ``TooManyRendersProblem``.
    """
    if len(content) > MAX_STORED_BYTES:
        raise StoredTimelineTooLargeProblem
    with transaction.atomic():
        schedule_sweep(project)
        RenderFolder.objects.filter(pk=project.pk).update(plans=F("plans") + 1)
        user_folders = RenderFolder.objects.filter(user_id=project.user_id)
        if user_folders.aggregate(plans=Sum("plans"))["plans"] > MAX_TIMELINES:
            raise TooManyRendersProblem
    object_storage().write(get_timeline_key(project, name), content, "application/json")


def list_stored_keys(project: Project) -> set[str]:
    """Return the keys of all objects in the folder."""
    objects = object_storage().list_objects(get_folder(project.user_id, project.pk))
    return {entry.key for entry in objects}


def list_due() -> QuerySet[RenderFolder]:
    """Return the folders whose next sweep is due."""
    return RenderFolder.objects.filter(sweep_at__lte=Now())


def sweep_folders() -> int:
    """Delete old objects of due folders, and all objects of deleted projects; return how many."""
    return sum(
        _sweep_folder(folder) for folder in list_due().order_by("sweep_at")[:FOLDERS_AT_ONCE]
    )


def _sweep_folder(folder: RenderFolder) -> int:
    project_exists = Project.objects.filter(pk=folder.project_id).exists()
    now = clock.now()
    objects = object_storage().list_objects(get_folder(folder.user_id, folder.project_id))
    timeline_keys = {
        entry.key for entry in objects if entry.key.rpartition("/")[2].startswith(TIMELINE_PREFIX)
    }
    old_keys = [
        entry.key
        for entry in objects
        if not project_exists
        or entry.modified_at
        < now - (TIMELINE_MAX_AGE if entry.key in timeline_keys else SEGMENT_MAX_AGE)
    ]
    removed_count = delete_objects(old_keys)
    # A render may have scheduled the folder again meanwhile: then it is not due any more.
    due_folder = list_due().filter(pk=folder.pk)
    if removed_count == len(objects):
        due_folder.delete()
    elif removed_count == len(old_keys):
        due_folder.update(
            sweep_at=now + SWEEP_INTERVAL, plans=len(timeline_keys.difference(old_keys))
        )
    return removed_count


def register_owner() -> None:
    """Register the folders as owners of their objects; called once, when Django is ready.

    The callers of this package register who writes segments.
    """
    register_object_owner(Owner("renders", list_owned_objects))


def list_owned_objects(objects: Sequence[StoredObject]) -> Mapping[str, None]:
    """Return the keys of objects that are not old, in folders of existing projects."""
    folders = {}
    for entry in objects:
        with suppress(ValueError):
            folders[entry.key] = UUID(entry.key.split("/")[3])
    projects = set(
        Project.objects.filter(pk__in=set(folders.values())).values_list("user_id", "pk")
    )
    before = clock.now() - SEGMENT_MAX_AGE - SWEEP_INTERVAL
    prefixes = {get_folder(*project) for project in projects}
    return {
        entry.key: None
        for entry in objects
        if entry.modified_at >= before and f"{entry.key.rpartition('/')[0]}/" in prefixes
    }
