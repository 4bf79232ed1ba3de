"""Records for tests, without a database."""

import uuid
from datetime import UTC, datetime
from typing import Any

from jobs.integrations.streams.records import Record

WITH_PUBLISHED_SCHEMA = ("jobs.requested", "jobs.transcription", "jobs.completed", "jobs.failed")
"""Streams whose schemas were published first; later versions may only widen them."""
FEATURES = (
    "transcription",
    "tts",
    "lip-sync",
    "video-generation",
    "performance-cloning",
    "gaze-redirection",
    "audio-generation",
    "video-query",
    "render",
    "image-generation",
    "compression",
)
AT = datetime(2026, 11, 23, 6, 0, 0, 123_456, tzinfo=UTC)
AT_MS = 1_795_413_600_123


def failed(seq: int = 1, user_id: str | None = None, **values: Any) -> Record:
    """A record of `jobs.failed`."""
    user_id = user_id or str(uuid.uuid4())
    value = {
        "job_id": str(uuid.uuid4()),
        "user_id": user_id,
        "type": "TTS",
        "error_code": "GPU_OOM",
        "error_message": "The input needs more memory than we have.",
        "retryable": False,
        "credits_to_refund": 2,
        "timestamp": AT_MS,
        "seq": seq,
    }
    return Record("jobs.failed", user_id, value | values, AT, seq)


def analytics(seq: int | None, user_id: str) -> Record:
    """A record of `analytics.events`; without a seq, one of usage."""
    value = {"user_id": user_id, "timestamp": AT_MS, "seq": seq}
    event = {"event": "job.requested"} if seq else {"event": "api.usage", "usage_id": 1}
    return Record("analytics.events", user_id, value | event, AT, seq)
