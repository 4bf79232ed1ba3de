"""Submit jobs, and wait until they end."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from auteur_client.errors import ProblemError, UnreachableError
from auteur_client.events import PROGRESS, NoStreamError, stream
from auteur_client.http import IDEMPOTENCY_KEY, Http

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import Job
    from auteur_client.api.models import Estimate, Submitted

TERMINAL_STATUSES = ("completed", "failed", "cancelled")
FIRST_POLL_SECONDS = 0.3
LAST_POLL_SECONDS = 2.0  # stays below the rate limit, however long the job takes
POLL_GROWTH = 1.15

OnProgress = Callable[["Job"], object]


def submit(
    http: Http, feature: str, parameters: dict[str, Any], idempotency_key: str | None
) -> Submitted:
    """Submit a job, which is charged at once; a repeated key returns the same job."""
    from auteur_client.api.models import Submitted  # noqa: PLC0415

    headers = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else {}
    path = f"/jobs/{feature.replace('_', '-')}"
    answer = http.request("POST", path, json=encode_parameters(parameters), headers=headers)
    return Submitted.from_dict(answer.json())


def estimate(http: Http, feature: str, parameters: dict[str, Any]) -> Estimate:
    """Return the price of a job; its ``quote_id``, sent as a parameter, binds the price."""
    from auteur_client.api.models import Estimate  # noqa: PLC0415

    path = f"/jobs/{feature.replace('_', '-')}/estimate"
    answer = http.request("POST", path, json=encode_parameters(parameters))
    return Estimate.from_dict(answer.json())


def cancel(http: Http, job_id: UUID | str, *, without_refund: bool) -> Job:
    """Cancel a job and return it."""
    body = {"without_refund": without_refund}
    return _parse_job(http.request("POST", f"/jobs/{job_id}/cancel", json=body).json())


def get(http: Http, job_id: UUID | str) -> Job:
    """Return the job in its current state."""
    return _parse_job(http.request("GET", f"/jobs/{job_id}").json())


def list_result_ids(job: Job) -> list[str]:
    """Return the ids of the media files that a job has created."""
    output = job.to_dict().get("output_data") or {}
    return [str(media["id"]) for media in output.get("media", [])]


def _parse_job(document: dict[str, Any]) -> Job:
    """Return the job as an object of its type's class.

    A job whose type this package does not know is a ``JobSummary``; its output is in
    ``additional_properties``.
    """
    from auteur_client.api import models  # noqa: PLC0415
    from auteur_client.api.job_kinds import KINDS  # noqa: PLC0415

    kind: type[Job] = getattr(models, KINDS.get(document["type"], "JobSummary"))
    return kind.from_dict(document)


def wait(http: Http, job_id: UUID | str, on_progress: OnProgress) -> Job:
    """Wait until a job has ended and return it; ``on_progress`` receives it at each change.

    The job's events are streamed. If there is no stream, or it breaks, the job is polled.
    """
    job = get(http, job_id)
    on_progress(job)
    last = 0
    has_stream = True
    for pause in iterate_poll_pauses():
        if job.status in TERMINAL_STATUSES:
            break
        try:
            for update, seq in _follow_events(http, job, last) if has_stream else ():
                job, last = update, seq
                on_progress(job)
        except NoStreamError:
            has_stream = False
        except (ProblemError, UnreachableError):
            pass  # if the error persists, the request for the job below raises it
        if job.status not in TERMINAL_STATUSES:
            time.sleep(pause)
            job = get(http, job_id)
            on_progress(job)
    return job


def _follow_events(http: Http, job: Job, after: int) -> Iterator[tuple[Job, int]]:
    """Yield the job at each event, with the number of the last event."""
    for message in stream(http, f"/jobs/{job.id}/events", after):
        if message.event == PROGRESS:
            job = _apply_progress(job, message.json())
        elif message.id:
            after = int(message.id)
            job = get(http, job.id)
        else:
            continue
        yield job, after


def _apply_progress(job: Job, report: dict[str, Any]) -> Job:
    """Return a copy of the job with the values of a progress report."""
    from auteur_client.api.models import JobStatus, StageEnum  # noqa: PLC0415

    result = copy.copy(job)
    result.status = JobStatus.PROCESSING
    result.progress = report["progress"] / 100
    result.stage = StageEnum(report["stage"]) if report["stage"] else None
    result.estimated_end_at = datetime.fromisoformat(report["eta_at"]) if report["eta_at"] else None
    result.queue_position = None
    return result


def iterate_poll_pauses() -> Iterator[float]:
    """Yield the seconds between polls, which grow, so that long jobs are polled less."""
    pause = FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * POLL_GROWTH, LAST_POLL_SECONDS)


def encode_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON values: ids and times as text, without those that are None."""
    return {name: _encode_value(value) for name, value in parameters.items() if value is not None}


def _encode_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
