"""List and erase personal data of jobs: their parameters, outputs and events."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from auteur.core.personal_data import (
    Listing,
    NotYetError,
    PersonalDataSource,
    Steps,
    delete_in_batches,
    iterate_pages,
    list_rows,
    register_source,
)
from jobs import lifecycle, outputs, sql
from jobs.calls.backends.models import LocalCall
from jobs.events import log
from jobs.models import (
    Attempt,
    AuditedAccount,
    AuditFinding,
    Event,
    Job,
    UserEvent,
)
from jobs.states import OPEN

OWNERS = {
    "jobs.Job": "user",
    "jobs.Attempt": "job__user",
    "jobs.Event": "user",
    "jobs.UserEvent": "user",
    "jobs.EventHead": "user",
    "jobs.FairQueueCursor": "user",
    "jobs.RunningCancel": "user",
    "jobs.AuditedAccount": "user_id",
    "jobs.AuditFinding": "user_id",
    "gpu_tasks.LocalCall": None,
}
INTERNAL = {"rank", "wake_at", "start_deadline_at", "deadline_at", "modal_task_id", "attempt_id"}


def register_personal_data() -> None:
    """Register the source; called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            app="jobs",
            owners=OWNERS,
            close=cancel_open,
            erase=_erase,
            listings=(
                Listing("jobs", _list_jobs),
                Listing("events", _list_events),
            ),
        )
    )


def cancel_open(user_id: UUID) -> Steps:
    """Cancel the user's open jobs, with the refunds that the user's own cancels would get.

    Jobs whose results are being delivered come to their end.
    """
    for page in iterate_pages(Job.objects.filter(user_id=user_id, status__in=OPEN).only("pk")):
        for job in page:
            yield _cancel_job(job.pk)


def _cancel_job(job_id: UUID) -> bool:
    try:
        lifecycle.cancel(
            job_id=job_id,
            by="user",
            reason="account closed",
            is_limited=True,
            without_refund=True,
        )
    except lifecycle.JobFinishedProblem:
        return False
    return True


def _list_jobs(user_id: UUID) -> Iterator[dict[str, Any]]:
    for row in list_rows(Job.objects.filter(user_id=user_id), without=INTERNAL):
        yield row | {"output_data": outputs.load_output(row["type"], row["output_data"])}


def _list_events(user_id: UUID) -> Iterator[dict[str, Any]]:
    for page in iterate_pages(UserEvent.objects.filter(user_id=user_id)):
        for row in page:
            yield {**log.to_wire(row)}


def _erase(user_id: UUID) -> Steps:
    if Job.objects.filter(user_id=user_id, status__in=OPEN).exists():
        raise NotYetError
    yield from _empty_jobs(user_id)
    # The outbox comes first: events numbered meanwhile are then in the log.
    yield from delete_in_batches(Event.objects.filter(user_id=user_id))
    for page in iterate_pages(UserEvent.objects.filter(user_id=user_id).only("pk")):
        # The oldest are deleted first, so that the remaining log has no gaps.
        yield UserEvent.objects.filter(pk__in=[row.pk for row in page]).delete()
    # Without these rows, the audit reads the account's ledger rows from the beginning.
    yield from delete_in_batches(AuditFinding.objects.filter(user_id=user_id))
    yield from delete_in_batches(AuditedAccount.objects.filter(user_id=user_id))


def _empty_jobs(user_id: UUID) -> Steps:
    for page in iterate_pages(Job.objects.filter(user_id=user_id).only("pk")):
        job_ids = [job.pk for job in page]
        attempts = Attempt.objects.filter(job_id__in=job_ids).values("pk")
        yield LocalCall.objects.filter(attempt_id__in=attempts).delete()
        yield sql.run("empty_attempts", job_ids=job_ids)
        yield sql.run("empty_jobs", job_ids=job_ids)
