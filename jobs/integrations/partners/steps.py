"""Advance partners' requests, one guarded UPDATE under a lease for each step.

``received → importing → working → answering → answered``. Requests that fail go to `answering` with
their error (docs/decisions/0035).
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework import exceptions

from auteur.core import encryption
from auteur.core.api.problems import DATABASE_OUTAGES, OUTAGES, NotFoundProblem
from auteur.core.encryption import UnreadableSecretError
from auteur.core.work import liveness
from auteur.core.work.leases import Lease, LeaseLostError, Leases
from jobs import submission
from jobs.budget import Budget
from jobs.failpoints import failpoint
from jobs.features.registry import get_feature
from jobs.integrations.partners import answers, failures
from jobs.integrations.partners.failures import Failure
from jobs.integrations.partners.models import PURPOSE, Kind, Partner, PartnerRequest, State
from jobs.integrations.partners.transports.base import (
    ANSWER_SECONDS,
    AnswerTooLargeError,
    Transport,
    TransportError,
)
from jobs.models import Job
from jobs.states import OPEN, JobStatus
from media import imports
from media.deletion import MediaInUseProblem, delete_media
from media.models import MediaFile, MediaStatus
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

STEPS_PER_ROUND = 20
"""How many steps of one partner run before messages are received again."""
MAX_TRIES = 5
"""How often a step is tried if processes die in it or it raises an internal error."""
IMMEDIATELY = timedelta(0)
MIN_CHECK_PAUSE, MAX_CHECK_PAUSE = timedelta(seconds=0.5), timedelta(seconds=15)
"""The bounds of the pause between checks of a file or job: a twentieth of the request's age."""
OUTAGE_PAUSE = timedelta(seconds=10)
ANSWER_PAUSE = timedelta(seconds=ANSWER_SECONDS)
"""How long after a try an answer may still arrive."""
UNSENDABLE_PAUSE = timedelta(minutes=5)
OUTAGE_ERRORS: tuple[type[Exception], ...] = (*OUTAGES, *STORAGE_ERRORS)
"""The errors by which a store that a step needs reports an outage."""
FEATURES = {Kind.TRANSCRIBE: "transcription", Kind.COMPRESS: "compression"}


def _fail_requests(rows: QuerySet[PartnerRequest]) -> int:
    """Fail requests: answer with an internal error. Answers themselves are retried, but later."""
    reset_columns = {"holder": None, "tries": 0}
    due_at = Now() + UNSENDABLE_PAUSE
    answer_count = rows.filter(state=State.ANSWERING).update(**reset_columns, due_at=due_at)
    return answer_count + rows.exclude(state=State.ANSWERING).update(
        **reset_columns, due_at=Now(), state=State.ANSWERING, url=None, **failures.INTERNAL.columns
    )


REQUESTS = Leases(
    PartnerRequest,
    waiting={"holder": None},
    claimed={},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_fail_requests,
    max_tries=MAX_TRIES,
    create_holder=liveness.get_process_name,
)


def list_due(partner: Partner, *, answering: bool = True) -> QuerySet[PartnerRequest]:
    """Return the due requests of a partner, the longest waiting first."""
    rows = PartnerRequest.objects.filter(partner=partner, holder=None, due_at__lte=Now())
    if not answering:
        rows = rows.exclude(state=State.ANSWERING)
    # The process that tried before may be dead, and its answer may still arrive.
    is_quiet = Q(answer_tried_at=None) | Q(answer_tried_at__lte=Now() - ANSWER_PAUSE)
    return rows.filter(is_quiet).order_by("due_at")


def advance_requests(partner: Partner, transport: Transport | None) -> int:
    """Advance each due request by one step. Return how many there were.

    Without a transport, answers wait. Raises the database's errors, and ``TransportError`` in an
    outage, after which the broker should get a pause.
    """
    REQUESTS.expire(partner=partner)
    rows = list_due(partner, answering=transport is not None)
    request_ids = list(rows.values_list("pk", flat=True)[:STEPS_PER_ROUND])
    for request_id in request_ids:
        lease = _claim_request(rows.filter(pk=request_id), request_id)
        row = lease.row.select_related("partner__user").first() if lease else None
        if lease is not None and row is not None:
            _run_step(_Step(lease, row, transport))
    return len(request_ids)


def _claim_request(rows: QuerySet[PartnerRequest], pk: UUID) -> Lease[PartnerRequest] | None:
    """Claim a request that is still due. `Leases.claim` would also claim an answered one."""
    lease = Lease(REQUESTS, pk, liveness.get_process_name())
    columns = {"holder": lease.holder, "due_at": Now() + REQUESTS.duration, "tries": F("tries") + 1}
    return lease if rows.order_by().update(**columns) else None


def release_leases(partner: Partner) -> int:
    """Release the requests that this process has claimed."""
    claimed_rows = REQUESTS.list_claimed_rows(partner=partner, holder=liveness.get_process_name())
    return REQUESTS.release(claimed_rows, IMMEDIATELY)


class _Step:
    """A step of a request whose lease this process has."""

    def __init__(
        self, lease: Lease[PartnerRequest], row: PartnerRequest, transport: Transport | None
    ) -> None:
        self.lease, self.row, self.transport = lease, row, transport
        self.user_id = row.partner.user_id

    def save_and_release(self, after: timedelta = IMMEDIATELY, **values: Any) -> None:
        """Store the new state and release the lease. Raise ``LeaseLostError``."""
        columns = {"holder": None, "due_at": Now() + after, "tries": 0, "trouble": None}
        if not self.lease.row.update(**{**columns, **values}):
            raise LeaseLostError

    def fail(self, failure: Failure) -> None:
        """Fail the request. Its partner will receive the reason."""
        logger.info("partner request %s fails: %s", self.row.pk, failure.code)
        reset_columns: dict[str, Any] = {"answer_mark": None, "answer_tried_at": None}
        self.save_and_release(state=State.ANSWERING, url=None, **reset_columns, **failure.columns)

    def postpone(self, after: timedelta, trouble: str) -> None:
        """Release the request for a while. This does not count as a try."""
        self.lease.row.update(trouble=trouble)
        self.lease.release(after)

    def check_later(self) -> None:
        """Release the request until its file or job may have ended."""
        age = timezone.now() - self.row.created_at
        self.save_and_release(min(max(MIN_CHECK_PAUSE, age / 20), MAX_CHECK_PAUSE))


def _run_step(step: _Step) -> None:
    try:
        STEPS[State(step.row.state)](step)
    except LeaseLostError:
        logger.info("partner request %s was taken away meanwhile", step.row.pk)
    except exceptions.APIException as exc:
        if failures.is_transient(exc):
            step.postpone(OUTAGE_PAUSE, exc.__class__.__name__)
        else:
            step.fail(failures.describe_problem(exc))
    except TransportError as exc:
        _handle_transport_error(step, exc)
    except DATABASE_OUTAGES:
        raise
    except OUTAGE_ERRORS as exc:
        logger.warning("partner request %s waits: %s", step.row.pk, type(exc).__name__)
        step.postpone(OUTAGE_PAUSE, type(exc).__name__)
    except Exception:
        logger.exception("partner request %s", step.row.pk)
        step.lease.requeue(OUTAGE_PAUSE)


def _handle_transport_error(step: _Step, exc: TransportError) -> None:
    if isinstance(exc, AnswerTooLargeError) and step.row.error_code is None:
        step.fail(failures.TOO_LARGE)
        return
    logger.warning("partner request %s is not answered yet: %s", step.row.pk, exc)
    step.postpone(ANSWER_PAUSE if exc.is_outage else UNSENDABLE_PAUSE, str(exc))
    if exc.is_outage:
        raise exc


def _start_import(step: _Step) -> None:
    try:
        url = encryption.decrypt(step.row.url or b"", purpose=PURPOSE).decode()
    except UnreadableSecretError:
        step.fail(failures.INTERNAL)
        return
    with transaction.atomic():
        media = imports.start_import(user_id=step.user_id, project_id=None, url=url)
        failpoint("partner.import_started")
        step.save_and_release(MIN_CHECK_PAUSE, state=State.IMPORTING, url=None, media_id=media.pk)
    failpoint("partner.importing")


def _start_work(step: _Step) -> None:
    media = MediaFile.objects.filter(pk=cast(UUID, step.row.media_id)).first()
    if media is None:
        step.fail(failures.DELETED)
    elif media.status == MediaStatus.REJECTED:
        step.fail(failures.describe_refusal(media.refusal))
    elif media.status == MediaStatus.READY:
        _submit_job(step)
    else:
        step.check_later()


def _submit_job(step: _Step) -> None:
    feature = get_feature(FEATURES[Kind(step.row.kind)])
    data = {"media_id": str(step.row.media_id), **_build_parameters(step.row)}
    budget = Budget(step.user_id)
    parameters = submission.validate(
        feature=feature, user_id=step.user_id, data=data, budget=budget
    )
    plan = step.row.partner.user.plan
    # One transaction: a process that dies here has charged nothing, or has stored the job.
    with transaction.atomic():
        submitted = submission.submit(
            feature=feature, user_id=step.user_id, plan=plan, parameters=parameters
        )
        failpoint("partner.submitted")
        step.save_and_release(MIN_CHECK_PAUSE, state=State.WORKING, job_id=submitted.job_id)
    failpoint("partner.working")


def _build_parameters(row: PartnerRequest) -> dict[str, Any]:
    if row.kind == Kind.COMPRESS:
        return {"target": int(row.target) if row.target.isdecimal() else row.target}
    return {"language": row.partner.language}


def _check_work(step: _Step) -> None:
    job = Job.objects.get(pk=cast(UUID, step.row.job_id))
    if job.status in OPEN:
        step.check_later()
    elif job.status == JobStatus.COMPLETED:
        _finish_work(step, job)
    else:
        step.fail(failures.describe_job(job))


def _finish_work(step: _Step, job: Job) -> None:
    row = step.row
    if row.kind == Kind.COMPRESS:
        token = answers.create_token()
        step.save_and_release(
            state=State.ANSWERING,
            result_id=answers.get_result(job),
            token=token,
            token_hash=answers.hash_token(token),
        )
        return
    failure = answers.store_captions(row, answers.build_transcribed(row, job))
    failpoint("partner.captions_stored")
    step.save_and_release(state=State.ANSWERING, **(failure.columns if failure else {}))


def _send_answer(step: _Step) -> None:
    row, transport = step.row, step.transport
    if transport is None:
        step.lease.release(IMMEDIATELY)
        return
    answer = answers.build_answer(row)
    # An earlier try may have succeeded.
    was_sent = row.answer_tried_at is not None and transport.was_sent(answer, row.answer_mark)
    if not was_sent:
        mark = row.answer_mark
        mark = transport.mark(answer.topic) if mark is None else mark
        step.lease.renew(answer_mark=mark, answer_tried_at=Now())
        failpoint("partner.marked")
        transport.send(answer)
        failpoint("partner.sent")
    _finish_request(step)


@transaction.atomic
def _finish_request(step: _Step) -> None:
    row = step.row
    step.save_and_release(state=State.ANSWERED, due_at=None, answered_at=Now())
    logger.info("partner request %s is answered", row.pk)
    if row.media_id is None or (row.partner.keeps_sources and row.error_code is None):
        return
    try:
        with transaction.atomic():
            delete_media(user_id=step.user_id, media_id=row.media_id)
    except (NotFoundProblem, MediaInUseProblem):
        logger.info("the video of partner request %s is gone, or used", row.pk)


STEPS: Mapping[State, Callable[[_Step], None]] = {
    State.RECEIVED: _start_import,
    State.IMPORTING: _start_work,
    State.WORKING: _check_work,
    State.ANSWERING: _send_answer,
}
