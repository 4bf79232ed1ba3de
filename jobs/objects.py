"""Which stored objects belong to jobs: what current attempts may write, and transcripts."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KT

from jobs import sql
from jobs.features.files import RESULT_KEY, list_writes
from jobs.models import Attempt, Job
from jobs.states import MAY_WRITE, OPEN, JobStatus
from media.storage import StoredObject
from media.storage.owners import Column, NotExpectedProblem, Owner, register_object_owner


def register_owners() -> None:
    """To be called once, when Django is ready."""
    register_object_owner(
        Owner("jobs", names_of, expects_result, (Column(_with_object, KT(OUTPUT_KEY)),))
    )
    register_object_owner(Owner("renders", expects=expects_segment))


def list_output_keys(attempt: Attempt) -> set[str]:
    """The keys that the attempt's call may write to."""
    return {write.key for write in list_writes(attempt)}


def names_of(objects: Sequence[StoredObject]) -> Mapping[str, None]:
    """What current attempts of open jobs may have written, and what outputs refer to."""
    places = [place for one in objects if (place := _place(one.key))]
    current = current_attempts().filter(pk__in={attempt_id for _, attempt_id in places})
    named = {key for attempt in current for key in list_output_keys(attempt)}
    jobs = Job.objects.filter(pk__in={job_id for job_id, _ in places})
    for output in jobs.values_list("output_data", flat=True):
        named.update(value for value in (output or {}).values() if isinstance(value, str))
    return {one.key: None for one in objects if one.key in named}


def expects_result(key: str) -> int | None:
    """How many bytes may be put: for an output of a current attempt, while its call may write."""
    place = _place(key)
    if place is None or not Attempt.objects.filter(pk=place[1]).exists():
        return None
    return _most(current_attempts().filter(pk=place[1]), key)


def expects_segment(key: str) -> int | None:
    """How many bytes may be put: for a segment that the call of a project's render writes."""
    try:
        user_id, project_id = (UUID(key.split("/")[place]) for place in (1, 3))
    except ValueError:
        return None
    if not Job.objects.filter(project_id=project_id).exists():
        return None
    jobs = Job.objects.filter(user_id=user_id, project_id=project_id, status__in=OPEN)
    return _most(current_attempts().filter(job__in=jobs), key)


def _most(attempts: QuerySet[Attempt], key: str) -> int:
    held = attempts.filter(state__in=MAY_WRITE).select_for_update(of=("self",), no_key=True)
    if not any(key in list_output_keys(attempt) for attempt in held):
        raise NotExpectedProblem
    return settings.MAX_UPLOAD_BYTES


def current_attempts() -> QuerySet[Attempt]:
    """The current attempts of open jobs."""
    return Attempt.objects.filter(pk__in=RawSQL(sql.STATEMENTS["current_attempts"], ()))  # noqa: S611


def _place(key: str) -> tuple[UUID, UUID] | None:
    """Job and attempt of ``users/<user>/jobs/<job>/<attempt>/…``."""
    try:
        job_id, attempt_id = key.split("/")[3:5]
        return UUID(job_id), UUID(attempt_id)
    except ValueError:
        return None


OUTPUT_KEY = f"output_data__{RESULT_KEY}"


def _with_object() -> QuerySet[Job]:
    return Job.objects.filter(status=JobStatus.COMPLETED, output_data__has_key=RESULT_KEY)
