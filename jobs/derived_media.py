"""What jobs have made of media and voices, for consents that are revoked (`media.consents`)."""

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
KEPT_OUTPUT = ["engine", "media"]
"""What an output still says: how it was made, and the ids of the media that it was."""


def find_derived_works(*, user_id: UUID, sources: Collection[UUID]) -> DerivedMedia:
    """As `media.consents.derived_works.DerivedWorks` has it: one look at one instant."""
    rows = sql.run("made_from", user_id=user_id, sources=[str(one) for one in sources])
    jobs = {job_id: is_open for _, job_id, is_open in rows if job_id is not None}
    return DerivedMedia(
        media_ids=frozenset(UUID(media_id) for media_id, _, _ in rows if media_id is not None),
        open_jobs=frozenset(job_id for job_id, is_open in jobs.items() if is_open),
        ended_jobs=frozenset(job_id for job_id, is_open in jobs.items() if not is_open),
    )


def stop(*, job_ids: Collection[UUID]) -> None:
    """Cancel them; what has begun is refunded within the limit of `jobs.cancels`."""
    for job_id in job_ids:
        with suppress(lifecycle.JobFinishedProblem):
            lifecycle.cancel(
                job_id=job_id, by=BY, reason=REASON, is_limited=True, without_refund=True
            )


def refunds_left(*, user_id: UUID) -> int:
    """As `media.consents.derived_works.DerivedWorks` has it."""
    return cancels.refunds_left(user_id=user_id)


def forget(*, job_ids: Collection[UUID]) -> LeftoverObjects:
    """Leave of ended jobs' outputs what names their media; their objects are the caller's."""
    with transaction.atomic():
        held = Job.objects.select_for_update(no_key=True).filter(pk__in=job_ids).order_by("pk")
        users = dict(held.values_list("pk", "user_id"))
        sql.run("forget_outputs", job_ids=list(users), kept=KEPT_OUTPUT)
    folders = {f"users/{user_id}/jobs/{pk}/": pk for pk, user_id in users.items()}
    return LeftoverObjects(folders=folders, segments=_segments(users))


def _segments(users: dict[UUID, UUID]) -> dict[str, UUID]:
    """What these jobs have written elsewhere, but for what others of their users read just now."""
    written = {
        write.key: attempt.job_id
        for attempt in Attempt.objects.filter(job_id__in=users).defer("outcome", "result")
        for write in list_writes(attempt)
        if f"/jobs/{attempt.job_id}/" not in write.key
    }
    if not written:
        return {}
    reading = current_attempts().filter(job__user_id__in=set(users.values()))
    needed = {key for attempt in reading for key in _read(attempt)}
    return {key: job_id for key, job_id in written.items() if key not in needed}


def _read(attempt: Attempt) -> set[str]:
    """The keys that a call reads, by its payload."""
    values = [
        one
        for value in (attempt.payload or {}).values()
        for one in (value if isinstance(value, list) else [value])
    ]
    return {one["read"]["key"] for one in values if isinstance(one, dict) and set(one) == {"read"}}
