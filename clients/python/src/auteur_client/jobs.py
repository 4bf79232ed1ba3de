"""Jobs: asked for, followed to their end."""

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

ENDED = ("completed", "failed", "cancelled")
FIRST_POLL_SECONDS = 0.3
LAST_POLL_SECONDS = 2.0  # below the rate limit for as long as it takes
POLL_GROWTH = 1.15

OnProgress = Callable[["Job"], object]


def submit(
    http: Http, feature: str, parameters: dict[str, Any], idempotency_key: str | None
) -> Submitted:
    """Ask for a job; it is charged. With the same key it is asked for once."""
    from auteur_client.api.models import Submitted  # noqa: PLC0415

    headers = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else {}
    path = f"/jobs/{feature.replace('_', '-')}"
    answer = http.request("POST", path, json=plain(parameters), headers=headers)
    return Submitted.from_dict(answer.json())


def estimate(http: Http, feature: str, parameters: dict[str, Any]) -> Estimate:
    """What a job would cost; its ``quote_id``, sent as a parameter, binds the price."""
    from auteur_client.api.models import Estimate  # noqa: PLC0415

    path = f"/jobs/{feature.replace('_', '-')}/estimate"
    answer = http.request("POST", path, json=plain(parameters))
    return Estimate.from_dict(answer.json())


def cancel(http: Http, job_id: UUID | str, *, without_refund: bool) -> Job:
    """Stop a job; the job as it is then."""
    body = {"without_refund": without_refund}
    return _read(http.request("POST", f"/jobs/{job_id}/cancel", json=body).json())


def get(http: Http, job_id: UUID | str) -> Job:
    """The job as it is."""
    return _read(http.request("GET", f"/jobs/{job_id}").json())


def results_of(job: Job) -> list[str]:
    """The ids of the media files that a job has made."""
    output = job.to_dict().get("output_data") or {}
    return [str(media["id"]) for media in output.get("media", [])]


def _read(told: dict[str, Any]) -> Job:
    """The job, of its type's class; one of a type that only a newer API knows, without its output.

    That output stands in its ``additional_properties``.
    """
    from auteur_client.api import models  # noqa: PLC0415
    from auteur_client.api.job_kinds import KINDS  # noqa: PLC0415

    kind: type[Job] = getattr(models, KINDS.get(told["type"], "JobSummary"))
    return kind.from_dict(told)


def wait(http: Http, job_id: UUID | str, on_progress: OnProgress) -> Job:
    """Follow a job until it has ended; each news goes to ``on_progress``, as the job.

    Its events are streamed; where they are not, or break off, the job is asked for.
    """
    job = get(http, job_id)
    on_progress(job)
    last = 0
    streamed = True
    for pause in poll_pauses():
        if job.status in ENDED:
            break
        try:
            for seen, seq in _news(http, job, last) if streamed else ():
                job, last = seen, seq
                on_progress(job)
        except NoStreamError:
            streamed = False
        except (ProblemError, UnreachableError):
            pass  # asking for the job says what is wrong, if it is
        if job.status not in ENDED:
            time.sleep(pause)
            job = get(http, job_id)
            on_progress(job)
    return job


def _news(http: Http, job: Job, after: int) -> Iterator[tuple[Job, int]]:
    """The job at each event, with the event's number."""
    for told in stream(http, f"/jobs/{job.id}/events", after):
        if told.event == PROGRESS:
            job = _running(job, told.json())
        elif told.id:
            after = int(told.id)
            job = get(http, job.id)
        else:
            continue
        yield job, after


def _running(job: Job, told: dict[str, Any]) -> Job:
    """The job with what progress says of it."""
    from auteur_client.api.models import JobStatus, StageEnum  # noqa: PLC0415

    found = copy.copy(job)
    found.status = JobStatus.PROCESSING
    found.progress = told["progress"] / 100
    found.stage = StageEnum(told["stage"]) if told["stage"] else None
    found.estimated_end_at = datetime.fromisoformat(told["eta_at"]) if told["eta_at"] else None
    found.queue_position = None
    return found


def poll_pauses() -> Iterator[float]:
    """Seconds between questions: short jobs are seen soon, long ones asked after rarely."""
    pause = FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * POLL_GROWTH, LAST_POLL_SECONDS)


def plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON has them: ids and times as text, and without those that are None."""
    return {name: _plain(value) for name, value in parameters.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
