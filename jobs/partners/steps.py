"""How a request goes on: each step a guarded UPDATE under a lease, by whoever finds it due.

``received → importing → working → answering → answered``; what cannot be done goes to `answering`
with its error (docs/decisions/0035).
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

from auteur import encryption, liveness
from auteur.api.problems import DATABASE_OUTAGES, OUTAGES, NotFoundProblem
from auteur.encryption import UnreadableSecretError
from auteur.leases import Lease, LeaseLostError, Leases
from jobs import submission
from jobs.budget import Budget
from jobs.failpoints import failpoint
from jobs.features.registry import get_feature
from jobs.models import Job
from jobs.partners import answers, failures
from jobs.partners.failures import Failure
from jobs.partners.models import PURPOSE, Kind, Partner, PartnerRequest, State
from jobs.partners.transports.base import (
    ANSWER_SECONDS,
    AnswerTooLargeError,
    Transport,
    TransportError,
)
from jobs.states import OPEN, JobStatus
from media import imports
from media.deletion import MediaInUseProblem, delete_media
from media.models import MediaFile, MediaStatus
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

STEPS_AT_ONCE = 20
"""Of one partner, before messages are received again."""
MAX_TRIES = 5
"""Of a step, by processes that died of it or by errors of ours."""
AT_ONCE = timedelta(0)
FIRST_LOOK, LAST_LOOK = timedelta(seconds=0.5), timedelta(seconds=15)
"""Between looks whether a file or a job has come to its end: a twentieth of its age."""
OUTAGE_PAUSE = timedelta(seconds=10)
ANSWER_PAUSE = timedelta(seconds=ANSWER_SECONDS)
"""After a try to answer, until which it may still arrive."""
UNSENDABLE_PAUSE = timedelta(minutes=5)
AWAY: tuple[type[Exception], ...] = (*OUTAGES, *STORAGE_ERRORS)
"""What the stores of ours raise that a step needs."""
FEATURES = {Kind.TRANSCRIBE: "transcription", Kind.COMPRESS: "compression"}


def _fail(rows: QuerySet[PartnerRequest]) -> int:
    """Answer that we failed; an answer itself is tried on and on, only more slowly."""
    waiting = {"holder": None, "tries": 0}
    later = Now() + UNSENDABLE_PAUSE
    answering = rows.filter(state=State.ANSWERING).update(**waiting, due_at=later)
    return answering + rows.exclude(state=State.ANSWERING).update(
        **waiting, due_at=Now(), state=State.ANSWERING, url=None, **failures.INTERNAL.columns
    )


REQUESTS = Leases(
    PartnerRequest,
    waiting={"holder": None},
    held={},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_fail,
    max_tries=MAX_TRIES,
    new_holder=liveness.process_name,
)


def list_due(partner: Partner, *, answering: bool = True) -> QuerySet[PartnerRequest]:
    """Requests of a partner that somebody must look at, the longest waiting first."""
    rows = PartnerRequest.objects.filter(partner=partner, holder=None, due_at__lte=Now())
    if not answering:
        rows = rows.exclude(state=State.ANSWERING)
    # Who tried before may be dead, and the answer still on its way.
    is_quiet = Q(answer_tried_at=None) | Q(answer_tried_at__lte=Now() - ANSWER_PAUSE)
    return rows.filter(is_quiet).order_by("due_at")


def advance_requests(partner: Partner, transport: Transport | None) -> int:
    """Take each due request one step further; returns how many there were.

    Without a transport, answers wait. Raises the database's errors, and ``TransportError`` of an
    outage, after which the broker is best left alone for a while.
    """
    REQUESTS.expire(partner=partner)
    rows = list_due(partner, answering=transport is not None)
    found = list(rows.values_list("pk", flat=True)[:STEPS_AT_ONCE])
    for request_id in found:
        lease = _claim(rows.filter(pk=request_id), request_id)
        row = lease.row.select_related("partner__user").first() if lease else None
        if lease is not None and row is not None:
            _step(_Step(lease, row, transport))
    return len(found)


def _claim(rows: QuerySet[PartnerRequest], pk: UUID) -> Lease[PartnerRequest] | None:
    """Hold a row that is still due: `Leases.claim` would take one that is over."""
    lease = Lease(REQUESTS, pk, liveness.process_name())
    held = {"holder": lease.holder, "due_at": Now() + REQUESTS.duration, "tries": F("tries") + 1}
    return lease if rows.order_by().update(**held) else None


def release_leases(partner: Partner) -> int:
    """Give back what this process holds."""
    held = REQUESTS.held_rows(partner=partner, holder=liveness.process_name())
    return REQUESTS.release(held, AT_ONCE)


class _Step:
    """A request that we hold, and what may be done with it."""

    def __init__(
        self, lease: Lease[PartnerRequest], row: PartnerRequest, transport: Transport | None
    ) -> None:
        self.lease, self.row, self.transport = lease, row, transport
        self.user_id = row.partner.user_id

    def go(self, after: timedelta = AT_ONCE, **values: Any) -> None:
        """Write where it stands now, and let go of it; raises ``LeaseLostError``."""
        found = {"holder": None, "due_at": Now() + after, "tries": 0, "trouble": None}
        if not self.lease.row.update(**{**found, **values}):
            raise LeaseLostError

    def fail(self, why: Failure) -> None:
        """Its partner will hear why there is no result."""
        logger.info("partner request %s fails: %s", self.row.pk, why.code)
        unsent: dict[str, Any] = {"answer_mark": None, "answer_tried_at": None}
        self.go(state=State.ANSWERING, url=None, **unsent, **why.columns)

    def wait(self, after: timedelta, trouble: str) -> None:
        """It is nobody's fault, and no try."""
        self.lease.row.update(trouble=trouble)
        self.lease.release(after)

    def look_again(self) -> None:
        """When what it waits for may be over."""
        age = timezone.now() - self.row.created_at
        self.go(min(max(FIRST_LOOK, age / 20), LAST_LOOK))


def _step(step: _Step) -> None:
    try:
        STEPS[State(step.row.state)](step)
    except LeaseLostError:
        logger.info("partner request %s was taken away meanwhile", step.row.pk)
    except exceptions.APIException as exc:
        if failures.is_passing(exc):
            step.wait(OUTAGE_PAUSE, exc.__class__.__name__)
        else:
            step.fail(failures.of_problem(exc))
    except TransportError as exc:
        _not_sent(step, exc)
    except DATABASE_OUTAGES:
        raise
    except AWAY as exc:
        logger.warning("partner request %s waits: %s", step.row.pk, type(exc).__name__)
        step.wait(OUTAGE_PAUSE, type(exc).__name__)
    except Exception:
        logger.exception("partner request %s", step.row.pk)
        step.lease.requeue(OUTAGE_PAUSE)


def _not_sent(step: _Step, exc: TransportError) -> None:
    if isinstance(exc, AnswerTooLargeError) and step.row.error_code is None:
        step.fail(failures.TOO_LARGE)
        return
    logger.warning("partner request %s is not answered yet: %s", step.row.pk, exc)
    step.wait(ANSWER_PAUSE if exc.is_outage else UNSENDABLE_PAUSE, str(exc))
    if exc.is_outage:
        raise exc


def _begin_import(step: _Step) -> None:
    try:
        url = encryption.decrypt(step.row.url or b"", purpose=PURPOSE).decode()
    except UnreadableSecretError:
        step.fail(failures.INTERNAL)
        return
    with transaction.atomic():
        media = imports.start_import(user_id=step.user_id, project_id=None, url=url)
        failpoint("partner.import_started")
        step.go(FIRST_LOOK, state=State.IMPORTING, url=None, media_id=media.pk)
    failpoint("partner.importing")


def _begin_work(step: _Step) -> None:
    media = MediaFile.objects.filter(pk=cast(UUID, step.row.media_id)).first()
    if media is None:
        step.fail(failures.DELETED)
    elif media.status == MediaStatus.REJECTED:
        step.fail(failures.of_refusal(media.refusal))
    elif media.status == MediaStatus.READY:
        _submit(step)
    else:
        step.look_again()


def _submit(step: _Step) -> None:
    feature = get_feature(FEATURES[Kind(step.row.kind)])
    given = {"media_id": str(step.row.media_id), **_wanted(step.row)}
    budget = Budget(step.user_id)
    parameters = submission.validate(
        feature=feature, user_id=step.user_id, data=given, budget=budget
    )
    plan = step.row.partner.user.plan
    # One transaction: whoever dies here has charged nothing, or is known to have.
    with transaction.atomic():
        submitted = submission.submit(
            feature=feature, user_id=step.user_id, plan=plan, parameters=parameters
        )
        failpoint("partner.submitted")
        step.go(FIRST_LOOK, state=State.WORKING, job_id=submitted.job_id)
    failpoint("partner.working")


def _wanted(row: PartnerRequest) -> dict[str, Any]:
    if row.kind == Kind.COMPRESS:
        return {"target": int(row.target) if row.target.isdecimal() else row.target}
    return {"language": row.partner.language}


def _look_at_work(step: _Step) -> None:
    job = Job.objects.get(pk=cast(UUID, step.row.job_id))
    if job.status in OPEN:
        step.look_again()
    elif job.status == JobStatus.COMPLETED:
        _end_work(step, job)
    else:
        step.fail(failures.of_job(job))


def _end_work(step: _Step, job: Job) -> None:
    row = step.row
    if row.kind == Kind.COMPRESS:
        token = answers.new_token()
        step.go(
            state=State.ANSWERING,
            result_id=answers.get_result(job),
            token=token,
            token_hash=answers.hash_token(token),
        )
        return
    why = answers.store_captions(row, answers.build_transcribed(row, job))
    failpoint("partner.captions_stored")
    step.go(state=State.ANSWERING, **(why.columns if why else {}))


def _answer(step: _Step) -> None:
    row, transport = step.row, step.transport
    if transport is None:
        step.lease.release(AT_ONCE)
        return
    answer = answers.build_answer(row)
    # Somebody began before: did it arrive?
    was_sent = row.answer_tried_at is not None and transport.was_sent(answer, row.answer_mark)
    if not was_sent:
        mark = row.answer_mark
        mark = transport.mark(answer.topic) if mark is None else mark
        step.lease.renew(answer_mark=mark, answer_tried_at=Now())
        failpoint("partner.marked")
        transport.send(answer)
        failpoint("partner.sent")
    _end(step)


@transaction.atomic
def _end(step: _Step) -> None:
    row = step.row
    step.go(state=State.ANSWERED, due_at=None, answered_at=Now())
    logger.info("partner request %s is answered", row.pk)
    if row.media_id is None or (row.partner.keeps_sources and row.error_code is None):
        return
    try:
        with transaction.atomic():
            delete_media(user_id=step.user_id, media_id=row.media_id)
    except (NotFoundProblem, MediaInUseProblem):
        logger.info("the video of partner request %s is gone, or used", row.pk)


STEPS: Mapping[State, Callable[[_Step], None]] = {
    State.RECEIVED: _begin_import,
    State.IMPORTING: _begin_work,
    State.WORKING: _look_at_work,
    State.ANSWERING: _answer,
}
