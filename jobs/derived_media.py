"""Find and remove what jobs have made from media and voices, for revoked consents."""

from collections.abc import Collection
from contextlib import suppress
from uuid import UUID

from django.db import transaction

from jobs import cancels, lifecycle, sql
from jobs.features.files import list_writes
from jobs.models import Attempt, Job
from jobs.objects import current_attempts
from media.consents.derived_works import DerivedMedia, LeftoverObjects

BY = "consent"
REASON = "consent revoked"
RETAINED_KEYS = ["engine", "media"]
"""The keys that stay in an output: how it was made, and the ids of its media."""


def find_derived_works(*, user_id: UUID, sources: Collection[UUID]) -> DerivedMedia:
    """Implement `media.consents.derived_works.DerivedWorks`, as of one instant."""
    rows = sql.run("made_from", user_id=user_id, sources=[str(media_id) for media_id in sources])
    jobs = {job_id: is_open for _, job_id, is_open in rows if job_id is not None}
    return DerivedMedia(
        media_ids=frozenset(UUID(media_id) for media_id, _, _ in rows if media_id is not None),
        open_jobs=frozenset(job_id for job_id, is_open in jobs.items() if is_open),
        ended_jobs=frozenset(job_id for job_id, is_open in jobs.items() if not is_open),
    )


def cancel_jobs(*, job_ids: Collection[UUID]) -> None:
    """Cancel the jobs; started ones are refunded within the limit of `jobs.cancels`."""
    for job_id in job_ids:
        with suppress(lifecycle.JobFinishedProblem):
            lifecycle.cancel(
                job_id=job_id, by=BY, reason=REASON, is_limited=True, without_refund=True
            )


def count_remaining_refunds(*, user_id: UUID) -> int:
    """Implement `media.consents.derived_works.DerivedWorks`."""
    return cancels.count_remaining_refunds(user_id=user_id)


def erase_results(*, job_ids: Collection[UUID]) -> LeftoverObjects:
    """Erase ended jobs' outputs except `KEPT_OUTPUT`; the caller deletes their objects."""
    with transaction.atomic():
        locked = Job.objects.select_for_update(no_key=True).filter(pk__in=job_ids).order_by("pk")
        users = dict(locked.values_list("pk", "user_id"))
        sql.run("forget_outputs", job_ids=list(users), kept=RETAINED_KEYS)
    folders = {f"users/{user_id}/jobs/{pk}/": pk for pk, user_id in users.items()}
    return LeftoverObjects(folders=folders, segments=_list_unneeded_segments(users))


def _list_unneeded_segments(users: dict[UUID, UUID]) -> dict[str, UUID]:
    """List objects elsewhere that only these jobs wrote and no current attempt reads."""
    job_by_key = {
        write.key: attempt.job_id
        for attempt in Attempt.objects.filter(job_id__in=users).defer("outcome", "result")
        for write in list_writes(attempt)
        if f"/jobs/{attempt.job_id}/" not in write.key
    }
    if not job_by_key:
        return {}
    readers = current_attempts().filter(job__user_id__in=set(users.values()))
    needed_keys = {key for attempt in readers for key in _list_read_keys(attempt)}
    return {key: job_id for key, job_id in job_by_key.items() if key not in needed_keys}


def _list_read_keys(attempt: Attempt) -> set[str]:
    """Return the keys that a call reads, by its payload."""
    values = [
        item
        for value in (attempt.payload or {}).values()
        for item in (value if isinstance(value, list) else [value])
    ]
    return {
        item["read"]["key"] for item in values if isinstance(item, dict) and set(item) == {"read"}
    }
