"""List and erase personal data of jobs: parameters and outputs, logs, webhooks, partners."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction

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
from jobs.events import cursors, log
from jobs.integrations.partners.answers import captions_of
from jobs.integrations.partners.models import DeadLetter, Partner, PartnerRequest
from jobs.integrations.webhooks.deliveries import CURSOR
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookQueue
from jobs.models import (
    ApiUsage,
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
    "jobs.ApiUsage": "user_id",
    "jobs.WebhookEndpoint": "user",
    "jobs.WebhookDelivery": "endpoint__user",
    "jobs.WebhookQueue": "user_id",
    "jobs.Partner": "user",
    "jobs.PartnerRequest": "partner__user",
    "jobs.DeadLetter": "partner__user",
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
                Listing("webhooks", _list_webhooks),
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


def _list_webhooks(user_id: UUID) -> Iterator[dict[str, Any]]:
    return list_rows(WebhookEndpoint.objects.filter(user_id=user_id))


def _erase(user_id: UUID) -> Steps:
    if Job.objects.filter(user_id=user_id, status__in=OPEN).exists():
        raise NotYetError
    yield from _empty_jobs(user_id)
    # The outbox comes first: events numbered meanwhile are then in the log.
    yield from delete_in_batches(Event.objects.filter(user_id=user_id))
    for page in iterate_pages(UserEvent.objects.filter(user_id=user_id).only("pk")):
        # The oldest are deleted first, so that the remaining log has no gaps.
        yield UserEvent.objects.filter(pk__in=[row.pk for row in page]).delete()
    yield from delete_in_batches(ApiUsage.objects.filter(user_id=user_id))
    # Without these rows, the audit reads the account's ledger rows from the beginning.
    yield from delete_in_batches(AuditFinding.objects.filter(user_id=user_id))
    yield from delete_in_batches(AuditedAccount.objects.filter(user_id=user_id))
    yield from _remove_webhooks(user_id)
    yield from _remove_partners(user_id)


def _empty_jobs(user_id: UUID) -> Steps:
    for page in iterate_pages(Job.objects.filter(user_id=user_id).only("pk")):
        job_ids = [job.pk for job in page]
        attempts = Attempt.objects.filter(job_id__in=job_ids).values("pk")
        yield LocalCall.objects.filter(attempt_id__in=attempts).delete()
        yield sql.run("empty_attempts", job_ids=job_ids)
        yield sql.run("empty_jobs", job_ids=job_ids)


def _remove_webhooks(user_id: UUID) -> Steps:
    deliveries = WebhookDelivery.objects.filter(endpoint__user_id=user_id)
    yield from delete_in_batches(deliveries)
    with transaction.atomic():
        # The lock stops the fan-out. Nothing is fanned out later, because the log is deleted.
        if cursors.lock_cursor(CURSOR) is None:
            raise NotYetError
        deliveries.delete()
        WebhookQueue.objects.filter(user_id=user_id).delete()
        WebhookEndpoint.objects.filter(user_id=user_id).delete()


def _remove_partners(user_id: UUID) -> Steps:
    partners = Partner.objects.filter(user_id=user_id)
    yield partners.update(is_active=False)
    requests = PartnerRequest.objects.filter(partner__user_id=user_id).select_related("partner")
    for page in iterate_pages(requests):
        for request in page:
            storage, key = captions_of(request.partner, request.video_id)
            storage.delete(key)
            yield key
        PartnerRequest.objects.filter(pk__in=[request.pk for request in page]).delete()
    yield from delete_in_batches(DeadLetter.objects.filter(partner__user_id=user_id))
    yield partners.delete()
