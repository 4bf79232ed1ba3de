"""Push the progress of running jobs to listeners: only the newest counts, and any may be lost."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from gpu_tasks.runtime.stages import Stage
from jobs.estimates.durations import RunningJob
from jobs.queries import get_history
from jobs.wake_signal import publish_signal

PROGRESS_CHANNEL = "auteur:progress"
MESSAGES = {
    Stage.LOADING: "Loading the model.",
    Stage.FETCHING: "Fetching your files.",
    Stage.RUNNING: "Working on it.",
    Stage.READING: "Looking at your files.",
    Stage.GENERATING: "Generating the result.",
    Stage.ENCODING: "Encoding the result.",
    Stage.UPLOADING: "Storing the result.",
}


@dataclass(frozen=True)
class ProgressReport:
    """A call's progress, as it was stored."""

    job_id: UUID
    user_id: UUID
    type: str
    progress: float
    stage: str | None
    credits: int
    started_at: datetime
    at: datetime


def push_on_commit(report: ProgressReport) -> None:
    """Push the report to listeners when the current transaction commits."""
    transaction.on_commit(partial(_push_report, report), robust=True)


def _push_report(report: ProgressReport) -> None:
    message = {
        "user_id": str(report.user_id),
        "job_id": str(report.job_id),
        "type": report.type,
        "progress": int(100 * report.progress),
        "progress_fraction": round(report.progress, 4),
        "stage": report.stage,
        "message": MESSAGES[Stage(report.stage)] if report.stage else None,
        "eta_at": _estimate_end(report).isoformat(timespec="milliseconds"),
    }
    publish_signal(PROGRESS_CHANNEL, json.dumps(message, separators=(",", ":")))


def _estimate_end(report: ProgressReport) -> datetime:
    seconds = (report.at - report.started_at).total_seconds()
    running = RunningJob(seconds, report.credits, report.progress, seconds)
    return report.started_at + timedelta(seconds=get_history(report.type).forecast(running).p50)
