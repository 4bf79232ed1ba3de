"""Declare which stored objects belong to jobs: current attempts' outputs, and transcripts."""

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
    """Register the owners of objects; called once, when Django is ready."""
    register_object_owner(
        Owner(
            "jobs",
            list_owned_objects,
            find_result_limit,
            (Column(_list_jobs_with_object, KT(OUTPUT_KEY)),),
        )
    )
    register_object_owner(Owner("renders", expects=find_segment_limit))


def list_output_keys(attempt: Attempt) -> set[str]:
    """Return the keys that the attempt's call may write to."""
    return {write.key for write in list_writes(attempt)}


def list_owned_objects(objects: Sequence[StoredObject]) -> Mapping[str, None]:
    """Return the objects that current attempts may have written, or that outputs refer to."""
    id_pairs = [ids for item in objects if (ids := _parse_ids(item.key))]
    attempts = current_attempts().filter(pk__in={attempt_id for _, attempt_id in id_pairs})
    keys = {key for attempt in attempts for key in list_output_keys(attempt)}
    jobs = Job.objects.filter(pk__in={job_id for job_id, _ in id_pairs})
    for output in jobs.values_list("output_data", flat=True):
        keys.update(value for value in (output or {}).values() if isinstance(value, str))
    return {item.key: None for item in objects if item.key in keys}


def find_result_limit(key: str) -> int | None:
    """Return how many bytes may be written to a current attempt's output, or None."""
    ids = _parse_ids(key)
    if ids is None or not Attempt.objects.filter(pk=ids[1]).exists():
        return None
    return _get_max_bytes(current_attempts().filter(pk=ids[1]), key)


def find_segment_limit(key: str) -> int | None:
    """Return how many bytes may be written to a segment that a render writes, or None."""
    try:
        user_id, project_id = (UUID(key.split("/")[index]) for index in (1, 3))
    except ValueError:
        return None
    if not Job.objects.filter(project_id=project_id).exists():
        return None
    jobs = Job.objects.filter(user_id=user_id, project_id=project_id, status__in=OPEN)
    return _get_max_bytes(current_attempts().filter(job__in=jobs), key)


def _get_max_bytes(attempts: QuerySet[Attempt], key: str) -> int:
    locked = attempts.filter(state__in=MAY_WRITE).select_for_update(of=("self",), no_key=True)
    if not any(key in list_output_keys(attempt) for attempt in locked):
        raise NotExpectedProblem
    return settings.MAX_UPLOAD_BYTES


def current_attempts() -> QuerySet[Attempt]:
    """Return the current attempts of open jobs."""
    return Attempt.objects.filter(pk__in=RawSQL(sql.STATEMENTS["current_attempts"], ()))  # noqa: S611


def _parse_ids(key: str) -> tuple[UUID, UUID] | None:
    """Return job and attempt of ``users/<user>/jobs/<job>/<attempt>/…``, or None."""
    try:
        job_id, attempt_id = key.split("/")[3:5]
        return UUID(job_id), UUID(attempt_id)
    except ValueError:
        return None


OUTPUT_KEY = f"output_data__{RESULT_KEY}"


def _list_jobs_with_object() -> QuerySet[Job]:
    return Job.objects.filter(status=JobStatus.COMPLETED, output_data__has_key=RESULT_KEY)
