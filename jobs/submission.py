"""Submission: credits, job and usage row in one statement; no broker is touched."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, models, transaction

from auteur.api.problems import NotFound, Problem
from credits import ledger
from credits.models import TransactionType
from jobs.features.base import Feature
from jobs.models import OPEN, Job
from jobs.wakeup import nudge_on_commit
from media.models import MediaFile

INSERT_JOB = """
job AS (
    INSERT INTO jobs (id, user_id, project_id, type, gpu_class, media_ids, credits_cost,
                      input_params, retry_of_id, start_deadline_at)
    SELECT %(job_id)s, %(user_id)s, %(project_id)s, %(feature)s, %(gpu_class)s,
           %(media_ids)s::uuid[], %(cost)s, %(parameters)s::jsonb, %(retry_of)s,
           now() + %(max_wait)s
    FROM {source}
    RETURNING id, user_id
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT id, user_id, 'requested', %(event)s::jsonb FROM job
)"""

HOLD_MEDIA = """
SELECT id FROM media_files WHERE id = ANY(%(media_ids)s) AND status = 'ready'
ORDER BY id FOR KEY SHARE"""
"""Whoever wants to delete the media now waits, and then finds the job that reads it."""

CHARGED = f"WITH {ledger.MOVE}, {INSERT_JOB.format(source='account')} {ledger.RECORD}"
ON_THE_HOUSE = f"WITH {INSERT_JOB.format(source='(SELECT 1) AS one')} TABLE job"


class PlanRequired(Problem):
    """The feature belongs to a plan that the user does not have."""

    status_code = 403
    default_code = "plan_required"
    default_detail = "This feature needs the Pro plan."


class JobOpen(Problem):
    """Only what has ended can be run again."""

    status_code = 409
    default_code = "job_open"
    default_detail = "The job has not ended: requeue it, or cancel it first."


@dataclass(frozen=True)
class Submitted:
    """What the client is told."""

    job_id: UUID
    status: str
    credits_cost: int


def validated(*, feature: Feature, user_id: UUID, data: Any) -> dict[str, Any]:
    """The feature's parameters with media and projects looked up; raises problems."""
    serializer = feature.parameters(data=data, context={"user_id": user_id})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def submit(
    *, feature: Feature, user_id: UUID, plan: str | None, parameters: Mapping[str, Any]
) -> Submitted:
    """Charge for a job and store it; raises ``InsufficientCredits``, ``PlanRequired``."""
    if feature.plan is not None and plan != feature.plan:
        raise PlanRequired
    media = [value.pk for value in parameters.values() if isinstance(value, MediaFile)]
    return _insert(
        feature=feature,
        user_id=user_id,
        project_id=feature.project_id(parameters),
        media_ids=media,
        cost=feature.price(parameters),
        input_params={name: _plain(value) for name, value in parameters.items()},
    )


def resubmit(*, job: Job, feature: Feature, charged: bool, by: str, reason: str = "") -> Submitted:
    """Run an ended job again as a new one, at today's price or on the house.

    Raises ``JobOpen``, and what `validated` raises where its media can no longer be used.
    """
    if job.status in OPEN:
        raise JobOpen
    parameters = validated(feature=feature, user_id=job.user_id, data=job.input_params)
    return _insert(
        feature=feature,
        user_id=job.user_id,
        project_id=job.project_id,
        media_ids=job.media_ids,
        cost=feature.price(parameters) if charged else 0,
        input_params=job.input_params or {},
        retry_of=job.pk,
        event={"by": by, "reason": reason},
    )


def _insert(
    *,
    feature: Feature,
    user_id: UUID,
    project_id: UUID | None,
    media_ids: list[UUID],
    cost: int,
    input_params: dict[str, Any],
    retry_of: UUID | None = None,
    event: Mapping[str, Any] | None = None,
) -> Submitted:
    job_id = uuid.uuid4()
    values = {
        "job_id": job_id,
        "user_id": user_id,
        "project_id": project_id,
        "feature": feature.name,
        "gpu_class": feature.gpu_class.value,
        "media_ids": media_ids,
        "cost": cost,
        "amount": -cost,
        "parameters": json.dumps(input_params),
        "retry_of": retry_of,
        "max_wait": feature.max_wait,
        "type": TransactionType.USAGE.value,
        "description": feature.summary,
        "event": json.dumps(dict(event or {})),
    }
    if not _execute(CHARGED if cost else ON_THE_HOUSE, values):
        raise ledger.InsufficientCredits(balance=ledger.balance_of(user_id=user_id), required=cost)
    nudge_on_commit()
    return Submitted(job_id=job_id, status="pending", credits_cost=cost)


def _execute(statement: str, values: Mapping[str, Any]) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if values["media_ids"]:
                cursor.execute(HOLD_MEDIA, values)
                if len(cursor.fetchall()) < len(set(values["media_ids"])):
                    raise NotFound
            cursor.execute(statement, values)
            return cursor.fetchone() is not None
    except IntegrityError as exc:
        # The project went away between the check and here.
        raise NotFound from exc


def _plain(value: Any) -> Any:
    return str(value.pk) if isinstance(value, models.Model) else value
