"""Attempts in any state, brought there the way that clients and the orchestrator make them."""

from collections.abc import Callable
from typing import Any

from gpu_tasks.runtime.contract import EngineInfo, Outcome
from jobs import lifecycle
from jobs.events.numbering import number_events
from jobs.models import Attempt, Event, Job
from jobs.orchestrator import admission
from jobs.states import COLLECT, DISPATCH, FINALIZE, PREPARE

WORKER = "test-worker"


OUTCOME = Outcome(
    result={"language": "en", "duration_ms": 1000, "segments_count": 0, "words_count": 0},
    engine=EngineInfo(name="draft", model="test"),
)
RESULT = {
    "segments_count": 0,
    "heard": "silence",
    "language": "en",
    "engine": {"name": "draft", "model": "test"},
}
"""What is stored of a transcription."""


def admit(job: Job) -> Attempt:
    """Let a pending job in, as the orchestrator does."""
    admission.admit_all()
    job.refresh_from_db()
    assert job.attempt is not None
    return job.attempt


def number_all() -> None:
    """Number all events, as the orchestrator does."""
    while Event.objects.filter(set_aside_at=None).exists():
        number_events()


def bring_to(job: Job, state: str) -> Attempt:
    """Walk a pending job's first attempt to a state through its transitions."""
    attempt = admit(job)
    result = RESULT if job.type == "transcription" else {"engine": RESULT["engine"]}
    walk: list[Callable[[], Any]] = [
        lambda: lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker=WORKER),
        lambda: lifecycle.finish(step=PREPARE, worker=WORKER, values={attempt.pk: {"payload": {}}}),
        lambda: lifecycle.claim(step=DISPATCH, attempt_ids=[attempt.pk], worker=WORKER),
        lambda: lifecycle.record_started_calls(call_ids={attempt.pk: "call-1"}),
        lambda: lifecycle.report_outcome(attempt_id=attempt.pk, call_id="call-1", outcome=OUTCOME),
        lambda: lifecycle.claim(step=COLLECT, attempt_ids=[attempt.pk], worker=WORKER),
        lambda: lifecycle.finish(
            step=COLLECT, worker=WORKER, values={attempt.pk: {"result": result}}
        ),
        lambda: lifecycle.claim(step=FINALIZE, attempt_ids=[attempt.pk], worker=WORKER),
        lambda: lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER),
    ]
    for move in walk:
        attempt.refresh_from_db()
        if attempt.state == state:
            return attempt
        move()
    attempt.refresh_from_db()
    assert attempt.state == state
    return attempt
