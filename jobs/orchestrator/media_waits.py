"""Queue jobs whose media has been checked: charge and queue them, or fail them.

Such a job is pending in `MEDIA_CLASS`, without a price (docs/decisions/0064). PostgreSQL says which
jobs are due; the end of a check only makes them due earlier (`jobs.hooks`).
"""

import json
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from rest_framework.exceptions import APIException

from auteur.core.api.problems import OUTAGES, NotFoundProblem, UnavailableProblem
from credits import ledger, spending
from gpu_tasks.runtime.errors import ErrorCode
from jobs import ledger_descriptions, lifecycle, sql, submission
from jobs.errors import JobError
from jobs.failpoints import failpoint
from jobs.features.base import to_stored_parameters
from jobs.features.registry import features, get_feature
from jobs.models import Job
from jobs.status import waits_for
from jobs.wake_signal import wake_on_commit
from media.models import MediaFile, MediaStatus, VoiceClone

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Jobs of one round, each in a transaction of its own."""
SHORTEST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=30)
"""Between checks of a job whose media is being checked: a quarter of the time it has waited."""
STORES_AWAY: tuple[type[Exception], ...] = (*OUTAGES, UnavailableProblem)
INPUT_GONE = "A media file, voice or project that the job uses has been deleted."


def queue_checked_jobs() -> int:
    """Charge and queue the due jobs whose media is ready, and fail those with unusable media.

    Return how many jobs were examined.
    """
    rows = sql.run("list_waiting_for_media", types=list(features()), limit=AT_ONCE)
    for (job_id,) in rows:
        try:
            _queue_or_fail_job(job_id)
        except STORES_AWAY:
            raise
        except Exception:
            logger.exception("job %s, which waits for its media, cannot be looked at", job_id)
            _postpone_job(job_id, LONGEST_PAUSE)
    return len(rows)


@transaction.atomic
def _queue_or_fail_job(job_id: UUID) -> None:
    locked = Job.objects.select_for_update(no_key=True, skip_locked=True)
    job = locked.filter(pk=job_id).first()
    if job is None or not waits_for(job):
        return  # Another orchestrator has it, or it has ended.
    if _is_being_checked(job):
        _postpone_job(job_id, SHORTEST_PAUSE)
        return
    failpoint("media.checked")
    try:
        _charge_and_queue(job)
    except STORES_AWAY:
        raise
    except APIException as problem:
        lifecycle.fail_waiting(job_id=job_id, error=_build_job_error(problem))
    else:
        logger.info("job %s has its media: queued", job_id)
        wake_on_commit()


def _is_being_checked(job: Job) -> bool:
    media = MediaFile.objects.filter(pk__in=job.media_ids, status=MediaStatus.CHECKING)
    voice_id = job.parameters.get("voice_id")
    if voice_id is None:
        return media.exists()
    voices = VoiceClone.objects.filter(pk=voice_id, status=MediaStatus.CHECKING)
    return media.exists() or voices.exists()


def _postpone_job(job_id: UUID, shortest: timedelta) -> None:
    values = {"job_id": job_id, "shortest": shortest, "longest": LONGEST_PAUSE}
    sql.run("postpone_waiting_for_media", **values)


def _charge_and_queue(job: Job) -> None:
    """Check the stored parameters as a submission does, and charge the locked job, once.

    Raises the errors of a submission.
    """
    feature = get_feature(job.type)
    parameters = submission.parse_parameters(
        feature=feature, user_id=job.user_id, data=feature.get_user_parameters(job)
    )
    cost = feature.price(parameters)
    row = {
        "place": 0,
        "id": str(job.pk),
        "gpu_class": feature.gpu_class.value,
        "media_ids": [str(media_id) for media_id in feature.media_ids(parameters)],
        "cost": cost,
        "price_version": feature.price_version,
        "derived_params": {
            name: value
            for name, value in to_stored_parameters(parameters).items()
            if name not in parameters.explicit_names
        },
        "description": ledger_descriptions.describe_charge(feature.name),
    }
    values: dict[str, Any] = {"jobs": json.dumps([row]), "user_id": job.user_id}
    try:
        if job.api_key_id is None:
            sql.run("queue_checked", **values)
        else:
            sql.run("queue_checked_by_key", api_key_id=job.api_key_id, **values)
    except IntegrityError as exc:
        raise submission.build_problem(
            exc, user_id=job.user_id, api_key_id=job.api_key_id, required=cost
        ) from exc


def _build_job_error(problem: APIException) -> JobError:
    """Return why a job that waited has failed, for its user."""
    if isinstance(problem, ledger.InsufficientCreditsProblem):
        required, balance = problem.extra["required"], problem.extra["balance"]
        detail = f"The job costs {required} credits, and your balance was {balance}"
        return JobError(ErrorCode.INSUFFICIENT_CREDITS, f"{detail} when its media was ready.")
    if isinstance(problem, spending.SpendingCapReachedProblem):
        detail = f"The job costs {problem.extra['required']} credits, more than its API key"
        return JobError(ErrorCode.INSUFFICIENT_CREDITS, f"{detail} may spend.")
    if isinstance(problem, NotFoundProblem):
        return JobError(ErrorCode.INPUT_INVALID, INPUT_GONE)
    sentence: Any = problem.detail
    while isinstance(sentence, dict | list):  # The first one of a ValidationError.
        sentence = next(iter(sentence.values() if isinstance(sentence, dict) else sentence))
    return JobError(ErrorCode.INPUT_INVALID, str(sentence))
