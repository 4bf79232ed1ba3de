"""Where a project's renders store their timelines and segments, until these are old."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Now

from auteur.api.problems import Problem
from auteur.database import clock
from media.deletion import delete_objects
from media.storage import StoredObject, object_storage
from media.storage.owners import Owner, register_object_owner
from projects.models import Project, RenderFolder

SEGMENT_MAX_AGE = timedelta(days=14)
"""Of a render segment; what is missing then is made again."""
TIMELINE_MAX_AGE = timedelta(days=2)
"""Since a timeline was put there: longer than the job that names it can wait and run."""
SWEPT_EVERY = timedelta(days=1)
MAX_TIMELINES = 500
"""Timelines of one user that wait to be rendered, or to be swept."""
MAX_STORED_BYTES = 4 * 1024**2
PLAN = "timeline-"

FOLDERS_AT_ONCE = 20


class TooManyRendersProblem(Problem):
    """The timelines of the user's renders take all the room that there is for them."""

    status_code = 409
    default_code = "too_many_renders"
    default_detail = f"At most {MAX_TIMELINES} renders can be submitted in two or three days."


class StoredTimelineTooLargeProblem(Problem):
    """The timeline with its captions is too long to be stored for a render."""

    status_code = 422
    default_code = "timeline_too_large"
    default_detail = "The timeline and its captions are too large to render."


def folder_of(user_id: UUID, project_id: UUID) -> str:
    """The beginning of the keys."""
    return f"users/{user_id}/renders/{project_id}/"


def timeline_key(project: Project, name: str) -> str:
    """Where a timeline is stored."""
    return f"{folder_of(project.user_id, project.pk)}{PLAN}{name}.json"


def segment_key(project: Project, name: str) -> str:
    """Where a render segment is stored."""
    return f"{folder_of(project.user_id, project.pk)}{name}.stretch"


def schedule_sweep(project: Project) -> None:
    """Have the folder swept from tomorrow on, for something will be in it."""
    RenderFolder.objects.update_or_create(
        project_id=project.pk,
        defaults={"user_id": project.user_id, "sweep_at": Now() + SWEPT_EVERY},
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
        of_user = RenderFolder.objects.filter(user_id=project.user_id)
        if of_user.aggregate(plans=Sum("plans"))["plans"] > MAX_TIMELINES:
            raise TooManyRendersProblem
    object_storage().write(timeline_key(project, name), content, "application/json")


def stored_keys(project: Project) -> set[str]:
    """What is in the folder."""
    found = object_storage().objects(folder_of(project.user_id, project.pk))
    return {one.key for one in found}


def list_due() -> QuerySet[RenderFolder]:
    """Folders that have not been looked through for a day."""
    return RenderFolder.objects.filter(sweep_at__lte=Now())


def sweep_folders() -> int:
    """Remove what is old in some folders, and all in those of deleted projects."""
    return sum(
        _sweep_folder(folder) for folder in list_due().order_by("sweep_at")[:FOLDERS_AT_ONCE]
    )


def _sweep_folder(folder: RenderFolder) -> int:
    there = Project.objects.filter(pk=folder.project_id).exists()
    now = clock.now()
    found = object_storage().objects(folder_of(folder.user_id, folder.project_id))
    plans = {one.key for one in found if one.key.rpartition("/")[2].startswith(PLAN)}
    old = [
        one.key
        for one in found
        if not there
        or one.modified_at < now - (TIMELINE_MAX_AGE if one.key in plans else SEGMENT_MAX_AGE)
    ]
    removed = delete_objects(old)
    # Where somebody has entered it meanwhile, it is not due any more.
    same = list_due().filter(pk=folder.pk)
    if removed == len(found):
        same.delete()
    elif removed == len(old):
        same.update(sweep_at=now + SWEPT_EVERY, plans=len(plans.difference(old)))
    return removed


def register_owner() -> None:
    """Called once, when Django is ready; who writes segments is for the room above to say."""
    register_object_owner(Owner("renders", names_of))


def names_of(objects: Sequence[StoredObject]) -> Mapping[str, None]:
    """What is not old, in folders of projects that are there."""
    folders = {}
    for one in objects:
        with suppress(ValueError):
            folders[one.key] = UUID(one.key.split("/")[3])
    there = set(Project.objects.filter(pk__in=set(folders.values())).values_list("user_id", "pk"))
    before = clock.now() - SEGMENT_MAX_AGE - SWEPT_EVERY
    beginnings = {folder_of(*project) for project in there}
    return {
        one.key: None
        for one in objects
        if one.modified_at >= before and f"{one.key.rpartition('/')[0]}/" in beginnings
    }
