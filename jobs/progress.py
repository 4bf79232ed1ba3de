"""What running jobs tell, pushed to whoever listens: the newest counts, and any may be lost."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from gpu_tasks.runtime.stages import Stage
from jobs.durations import Running
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
    """What a call has told, as it was stored."""

    job_id: UUID
    user_id: UUID
    type: str
    progress: float
    stage: str | None
    credits: int
    started_at: datetime
    at: datetime


def push_on_commit(told: ProgressReport) -> None:
    """Tell those who listen when the present transaction commits."""
    transaction.on_commit(partial(_push, told), robust=True)


def _push(told: ProgressReport) -> None:
    message = {
        "user_id": str(told.user_id),
        "job_id": str(told.job_id),
        "type": told.type,
        "progress": int(100 * told.progress),
        "progress_fraction": round(told.progress, 4),
        "stage": told.stage,
        "message": MESSAGES[Stage(told.stage)] if told.stage else None,
        "eta_at": _eta(told).isoformat(timespec="milliseconds"),
    }
    publish_signal(PROGRESS_CHANNEL, json.dumps(message, separators=(",", ":")))


def _eta(told: ProgressReport) -> datetime:
    seconds = (told.at - told.started_at).total_seconds()
    running = Running(seconds, told.credits, told.progress, seconds)
    return told.started_at + timedelta(seconds=get_history(told.type).foresee(running).p50)
