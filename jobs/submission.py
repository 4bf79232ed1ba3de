"""Submit jobs: idempotency key, credits, jobs and usage rows in one statement, without the broker.

The statement is its own transaction: one round trip, and after a crash either all is done or
nothing.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import psycopg
import psycopg.errors
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from rest_framework import exceptions

from auteur.core import ids
from auteur.core.api import idempotency
from auteur.core.api.idempotency import IdempotentRequest, KeyTakenProblem
from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from auteur.core.database.keys import new_id
from credits import ledger, spending
from jobs import ledger_descriptions, quotes, sql
from jobs.budget import BatchTooLargeProblem, Budget
from jobs.features.base import Feature, ValidatedParameters, to_stored_parameters
from jobs.features.parameters import MediaNotReadyProblem, VoiceNotReadyProblem
from jobs.features.registry import features
from jobs.models import Job
from jobs.states import MEDIA_CLASS, OPEN, JobStatus
from jobs.wake_signal import wake_on_commit
from media.models import Upload
from projects.models import Project

logger = logging.getLogger(__name__)

MAX_BATCH = 100
"""Jobs of one batch at most."""
MAX_WAITING_FOR_MEDIA = 100
"""Jobs of one user that may wait for media to be checked."""
DISABLED_RETRY_SECONDS = 600
"""The ``Retry-After`` of a feature that is switched off; the real duration is unknown."""


class PlanRequiredProblem(Problem):
    """Raised if the feature needs a plan that the user does not have."""

    status_code = 403
    default_code = "plan_required"
    default_detail = "This feature needs the Pro plan. Change the plan first."


class FeatureDisabledProblem(Problem):
    """Raised if the feature is switched off by `FEATURES_DISABLED`. Nothing was charged."""

    status_code = 503
    default_code = "feature_disabled"
    headers: ClassVar[dict[str, str]] = {"Retry-After": str(DISABLED_RETRY_SECONDS)}

    def __init__(self, feature: Feature) -> None:
        detail = f"{feature.slug} is currently switched off. Jobs already submitted continue."
        super().__init__(detail, feature=feature.name)


class TooManyWaitingJobsProblem(Problem):
    """Raised if the user has the maximum number of jobs that wait for media. Nothing was stored."""

    status_code = 409
    default_code = "too_many_waiting_jobs"
    default_detail = (
        f"At most {MAX_WAITING_FOR_MEDIA} jobs may wait for media that is being checked. Submit "
        "more when some of the checks have ended."
    )


class JobOpenProblem(Problem):
    """Raised if a job that has not ended is to be run again."""

    status_code = 409
    default_code = "job_open"
    default_detail = "The job has not ended. Cancel it first."


class JobCompletedProblem(Problem):
    """Raised if a completed job is to be run again."""

    status_code = 409
    default_code = "job_completed"
    default_detail = "The job was completed. Submit a new job for another result."


class InputGoneProblem(Problem):
    """Raised if media or a project that the job used has been deleted."""

    status_code = 409
    default_code = "input_gone"
    default_detail = (
        "A media file or project that the job used has been deleted. Submit a new job with other "
        "input."
    )
    parameters_gone = "The parameters of the job are no longer stored. Submit a new job."


class FeatureGoneProblem(Problem):
    """Raised if the feature of the job no longer exists."""

    status_code = 409
    default_code = "feature_gone"
    default_detail = "This feature is no longer offered."


BATCH_PROBLEMS = (
    ledger.InsufficientCreditsProblem,
    spending.SpendingCapReachedProblem,
    BatchTooLargeProblem,
    FeatureDisabledProblem,
    TooManyWaitingJobsProblem,
)
"""The errors of a batch as a whole, not of one of its jobs."""
PRICING_PROBLEMS = (FeatureDisabledProblem, PlanRequiredProblem, NotFoundProblem)
"""The errors of an estimate, besides those of the feature's parameters."""
PROBLEMS = (
    *PRICING_PROBLEMS,
    ledger.InsufficientCreditsProblem,
    spending.SpendingCapReachedProblem,
    quotes.InvalidQuoteProblem,
    TooManyWaitingJobsProblem,
)
"""The errors of a submission, besides those of the feature's parameters."""
RETRY_PROBLEMS = (
    exceptions.ValidationError,
    JobCompletedProblem,
    JobOpenProblem,
    FeatureGoneProblem,
    InputGoneProblem,
)
"""The further errors of a retry."""


@dataclass(frozen=True)
class SubmittedJob:
    """An accepted job, as its client sees it."""

    job_id: UUID
    status: str
    credits_cost: int
    waits_for: str | None = None


@dataclass(frozen=True)
class SubmittedBatch:
    """Accepted jobs, in the order of the request."""

    jobs: list[SubmittedJob]


@dataclass(frozen=True)
class NewJob:
    """A job that is about to be charged and stored."""

    feature: Feature
    project_id: UUID | None
    media_ids: Sequence[UUID]
    plan: str | None
    price: quotes.Price
    parameters: ValidatedParameters
    retry_of: UUID | None = None
    callback_url: str | None = None
    event: Mapping[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)

    @property
    def submitted(self) -> SubmittedJob:
        waits_for = "media" if self.parameters.waits_for_media else None
        return SubmittedJob(self.id, JobStatus.PENDING.value, self.price.credits, waits_for)

    @property
    def gpu_class(self) -> str:
        """Return the GPU class whose queue the job enters."""
        return MEDIA_CLASS if self.parameters.waits_for_media else self.feature.gpu_class.value

    def row(self, index: int) -> dict[str, Any]:
        """Return the job's row of the statement `submit`."""
        stored_parameters = to_stored_parameters(self.parameters)
        return {
            "place": index,
            "id": str(self.id),
            "type": self.feature.name,
            "project_id": self.project_id and str(self.project_id),
            "gpu_class": self.gpu_class,
            "media_ids": [str(media_id) for media_id in self.media_ids],
            "plan": self.plan,
            "cost": self.price.credits,
            "price_version": self.price.version,
            "input_params": {
                name: value
                for name, value in stored_parameters.items()
                if name in self.parameters.explicit_names
            },
            "derived_params": {
                name: value
                for name, value in stored_parameters.items()
                if name not in self.parameters.explicit_names
            },
            "retry_of_id": self.retry_of and str(self.retry_of),
            "callback_url": self.callback_url,
            "max_wait_seconds": self.feature.max_wait.total_seconds(),
            "description": ledger_descriptions.describe_charge(self.feature.name),
            "event": {**self.event, **ids.request_id()},
        }


def validate(
    *, feature: Feature, user_id: UUID, data: Any, budget: Budget | None = None
) -> ValidatedParameters:
    """Check a feature's parameters and look up media and projects; raise problems.

    The first problem is ``FeatureDisabledProblem``: every submission and estimate starts here.
    Without a ``budget`` nothing will be submitted, and nothing is stored. With a budget whose jobs
    are charged, media that is still being checked is accepted (`jobs.orchestrator.media_waits`) if
    the least price can be paid.
    """
    if not feature.is_enabled:
        raise FeatureDisabledProblem(feature)
    if budget is None or not budget.charged:
        return parse_parameters(feature=feature, user_id=user_id, data=data, budget=budget)
    unchecked: list[Upload] = []
    try:
        parameters = parse_parameters(
            feature=feature, user_id=user_id, data=data, budget=budget, unchecked=unchecked
        )
    except (MediaNotReadyProblem, VoiceNotReadyProblem):
        budget.need(feature.least_price)  # Missing credits are reported first.
        raise
    if unchecked:
        budget.need(feature.price(parameters))
    return parameters


def parse_parameters(
    *,
    feature: Feature,
    user_id: UUID,
    data: Any,
    budget: Budget | None = None,
    unchecked: list[Upload] | None = None,
) -> ValidatedParameters:
    """Check parameters as `validate` does, even if the feature is switched off.

    With a list ``unchecked``, uploads that are being checked are accepted, and added to it.
    """
    context = {"user_id": user_id, "budget": budget, "unchecked": unchecked}
    values = feature.parameters.read(data, context=context)
    names = {*data, *feature.parameters.stored_as_given}
    return ValidatedParameters(values, explicit_names=names, waits_for_media=bool(unchecked))


def check_plan(feature: Feature, plan: str | None) -> None:
    """Raise ``PlanRequiredProblem`` if the feature needs another plan."""
    if feature.plan is not None and plan != feature.plan:
        raise PlanRequiredProblem


def submit(
    *,
    feature: Feature,
    user_id: UUID,
    plan: str | None,
    parameters: ValidatedParameters,
    key: IdempotentRequest | None = None,
    api_key_id: UUID | None = None,
) -> SubmittedJob:
    """Charge for a job and store it, once per key.

    A job that waits for media is charged later (`jobs.orchestrator.media_waits`). Raises
    ``InsufficientCreditsProblem``, ``PlanRequiredProblem``, ``InvalidQuoteProblem``,
    ``TooManyWaitingJobsProblem``; ``SpendingCapReachedProblem`` for an API key;
    ``KeyTakenProblem``, after which nothing was done.
    """
    job = _build_job(feature=feature, user_id=user_id, plan=plan, parameters=parameters)
    _insert_jobs(user_id=user_id, jobs=[job], result=job.submitted, key=key, api_key_id=api_key_id)
    return job.submitted


def submit_batch(
    *,
    user_id: UUID,
    plan: str | None,
    items: Sequence[Mapping[str, Any]],
    key: IdempotentRequest | None = None,
    api_key_id: UUID | None = None,
) -> SubmittedBatch:
    """Charge for all the jobs and store them, or none; ``type`` is one of the parameters' keys.

    Raises as `submit` does, and a ``ValidationError`` that holds every job's errors by its index.
    """
    jobs: list[NewJob] = []
    errors: dict[str, Any] = {}
    budget = Budget(user_id, api_key_id=api_key_id)
    for index, data in enumerate(items):
        try:
            jobs.append(_build_job_of_batch(plan=plan, data=data, budget=budget))
        except BATCH_PROBLEMS:
            raise  # The other jobs are not checked.
        except exceptions.APIException as exc:
            errors[str(index)] = _group_by_field(exc)
    if errors:
        raise exceptions.ValidationError({"jobs": errors})
    batch = SubmittedBatch([job.submitted for job in jobs])
    _insert_jobs(user_id=user_id, jobs=jobs, result=batch, key=key, api_key_id=api_key_id)
    return batch


def retry(
    *,
    job: Job,
    plan: str | None,
    key: IdempotentRequest | None = None,
    api_key_id: UUID | None = None,
) -> SubmittedJob:
    """Run a failed or cancelled job again, for its user and at today's price.

    Raises ``JobOpenProblem``, ``JobCompletedProblem``, ``InputGoneProblem``,
    ``FeatureGoneProblem``, and as `submit` does.
    """
    if job.status == JobStatus.COMPLETED:
        raise JobCompletedProblem
    feature = features().get(job.type)
    if feature is None:
        raise FeatureGoneProblem
    check_plan(feature, plan)
    try:
        return resubmit(
            job=job,
            feature=feature,
            plan=plan,
            charged=True,
            by="user",
            key=key,
            api_key_id=api_key_id,
        )
    except NotFoundProblem as exc:
        raise InputGoneProblem from exc


def resubmit(
    *,
    job: Job,
    feature: Feature,
    plan: str | None,
    charged: bool,
    by: str,
    reason: str = "",
    key: IdempotentRequest | None = None,
    api_key_id: UUID | None = None,
) -> SubmittedJob:
    """Run an ended job again as a new one, at today's price or on the house.

    Raises ``JobOpenProblem``, ``InputGoneProblem`` if its parameters are no longer stored, and the
    errors of `validate` if its media can no longer be used.
    """
    if job.status in OPEN:
        raise JobOpenProblem
    if job.input_params is None:
        raise InputGoneProblem(InputGoneProblem.parameters_gone)
    budget = Budget(job.user_id, charged=charged, api_key_id=api_key_id)
    parameters = validate(
        feature=feature, user_id=job.user_id, data=feature.get_user_parameters(job), budget=budget
    )
    new_job = NewJob(
        feature=feature,
        project_id=_find_project_id(job.project_id),
        media_ids=feature.media_ids(parameters),
        plan=plan,
        price=quotes.Price(
            feature.price(parameters) if charged and not parameters.waits_for_media else 0,
            feature.price_version,
        ),
        parameters=parameters,
        retry_of=job.pk,
        callback_url=job.callback_url,
        event={"by": by, "reason": reason},
    )
    _insert_jobs(
        user_id=job.user_id,
        jobs=[new_job],
        result=new_job.submitted,
        key=key,
        api_key_id=api_key_id,
    )
    return new_job.submitted


def _find_project_id(project_id: UUID | None) -> UUID | None:
    """Return the project's id, or None if it is deleted or about to be."""
    return project_id if project_id and Project.objects.filter(pk=project_id).exists() else None


def _build_job(
    *, feature: Feature, user_id: UUID, plan: str | None, parameters: ValidatedParameters
) -> NewJob:
    check_plan(feature, plan)
    job_parameters = ValidatedParameters(
        parameters, parameters.explicit_names, waits_for_media=parameters.waits_for_media
    )
    quote_id, callback_url = (
        job_parameters.pop("quote_id", None),
        job_parameters.pop("callback_url", None),
    )
    if job_parameters.waits_for_media and quote_id is not None:
        raise quotes.InvalidQuoteProblem  # No estimate exists for media that is being checked.
    return NewJob(
        feature=feature,
        project_id=feature.project_id(job_parameters),
        media_ids=feature.media_ids(job_parameters),
        plan=plan,
        price=quotes.Price(0, feature.price_version)
        if job_parameters.waits_for_media
        else quotes.get_price(
            feature=feature, user_id=user_id, parameters=job_parameters, quote_id=quote_id
        ),
        parameters=job_parameters,
        callback_url=callback_url,
    )


def _build_job_of_batch(*, plan: str | None, data: Mapping[str, Any], budget: Budget) -> NewJob:
    parameters = dict(data)
    feature = features()[parameters.pop("type")]
    job = _build_job(
        feature=feature,
        user_id=budget.user_id,
        plan=plan,
        parameters=validate(
            feature=feature, user_id=budget.user_id, data=parameters, budget=budget
        ),
    )
    has_no_price = job.parameters.waits_for_media
    budget.credits += feature.price(job.parameters) if has_no_price else job.price.credits
    return job


def _group_by_field(exc: exceptions.APIException) -> Any:
    """Return a problem in the form of a validation error's detail."""
    if isinstance(exc, exceptions.ValidationError) or not isinstance(exc, Problem):
        return exc.detail
    errors = exc.extra.get("errors")
    if errors is None:
        return [exc.detail]
    return {e["field"]: [exceptions.ErrorDetail(e["detail"], code=e["code"])] for e in errors}


def _insert_jobs(
    *,
    user_id: UUID,
    jobs: Sequence[NewJob],
    result: SubmittedJob | SubmittedBatch,
    key: IdempotentRequest | None,
    api_key_id: UUID | None,
) -> None:
    parameters = {
        "api_key_id": api_key_id,
        **idempotency.build_claim_parameters(user_id=user_id, key=key, result=result),
    }
    try:
        if any(job.parameters.waits_for_media for job in jobs):
            has_media, is_accepted = _insert_with_waiting_jobs(jobs, user_id, parameters)
        else:
            has_media, is_accepted = _run_submit(jobs, parameters)
    except IntegrityError as exc:
        required = sum(job.price.credits for job in jobs)
        raise build_problem(exc, user_id=user_id, api_key_id=api_key_id, required=required) from exc
    if not has_media:
        raise NotFoundProblem(Resource.MEDIA_FILE)
    if not is_accepted:
        raise KeyTakenProblem
    for job in jobs:
        logger.info("job %s requested: %s", job.id, job.feature.name)
    wake_on_commit()


def _run_submit(jobs: Sequence[NewJob], parameters: Mapping[str, Any]) -> tuple[bool, bool]:
    """Charge and store jobs; return whether all their media exists, and whether it was done."""
    media_ids = {media_id for job in jobs for media_id in job.media_ids}
    ((has_media, is_accepted),) = sql.run(
        "submit" if parameters["api_key_id"] is None else "submit_by_key",
        jobs=json.dumps([job.row(index) for index, job in enumerate(jobs)]),
        media_ids=list(media_ids),
        media_count=len(media_ids),
        **parameters,
    )
    return has_media, is_accepted


@transaction.atomic
def _insert_with_waiting_jobs(
    jobs: Sequence[NewJob], user_id: UUID, parameters: Mapping[str, Any]
) -> tuple[bool, bool]:
    """Insert jobs as `_run_submit` does, if some of them wait for media.

    Raises ``TooManyWaitingJobsProblem``. The user's row is locked, so that their requests count
    jobs one after the other.
    """
    waiting_jobs = [job for job in jobs if job.parameters.waits_for_media]
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
    earlier_jobs = Job.objects.filter(
        user_id=user_id, status=JobStatus.PENDING, attempt=None, gpu_class=MEDIA_CLASS
    )
    if earlier_jobs.count() + len(waiting_jobs) > MAX_WAITING_FOR_MEDIA:
        raise TooManyWaitingJobsProblem
    media_ids = {media_id for job in jobs for media_id in job.media_ids}
    if len(sql.run("hold_media", media_ids=list(media_ids))) < len(media_ids):
        return False, False
    ready_jobs = [job for job in jobs if not job.parameters.waits_for_media]
    has_media, is_accepted = _run_submit(ready_jobs, parameters)
    if is_accepted:
        sql.run(
            "submit_waiting",
            jobs=json.dumps([job.row(index) for index, job in enumerate(waiting_jobs)]),
            user_id=user_id,
            api_key_id=parameters["api_key_id"],
        )
    return has_media, is_accepted


def build_problem(
    exc: IntegrityError, *, user_id: UUID, api_key_id: UUID | None, required: int
) -> Exception:
    """Return the problem for which the database has refused to charge and store jobs."""
    cause = exc.__cause__
    if not isinstance(cause, psycopg.Error):
        return exc
    if cause.diag.constraint_name == ledger.BALANCE_CHECK:
        balance = ledger.get_balance(user_id=user_id)
        return ledger.InsufficientCreditsProblem(balance=balance, required=required)
    if isinstance(cause, psycopg.errors.ForeignKeyViolation):
        return NotFoundProblem(Resource.PROJECT)  # It was deleted after the check.
    if isinstance(cause, psycopg.errors.NotNullViolation):
        if api_key_id is not None and ledger.has_account(user_id=user_id):
            return spending.build_problem(api_key_id=api_key_id, required=required)
        return ledger.NoAccountError()
    return exc
