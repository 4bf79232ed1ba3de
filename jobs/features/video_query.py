"""Video query: a question about a film, answered with the times that show it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from auteur.core.api.problems import NotFoundProblem
from gpu_tasks.video_query import contract
from jobs.features.base import Feature
from jobs.features.parameters import MediaField, Parameters, seed
from jobs.models import Attempt, Job
from media.models import MediaType
from projects import transcript


def _longest_ms() -> int:
    return contract.MAX_DURATION_MS[FEATURE.engine]


class VideoQueryParameters(Parameters):
    """`POST /jobs/video-query`."""

    video_media_id = MediaField(types=(MediaType.VIDEO,), consent=None, longest_ms=_longest_ms)
    question = serializers.CharField(
        min_length=contract.MIN_QUESTION,
        max_length=contract.MAX_QUESTION,
        help_text="The question. The draft engine understands English only.",
    )
    seed = seed()


class _VideoQuery(Feature):
    name = "video_query"
    summary = "Answer a question about a film"
    contract = contract.CONTRACT
    making = None
    parameters = VideoQueryParameters
    tariff: ClassVar[Mapping[str, int]] = {"base": 2, "credits": 1, "per_started_ms": 60_000}
    measured = "video_media_id"
    example: ClassVar[Mapping[str, Any]] = {
        "video_media_id": "interview.mp4",
        "question": "How many cuts are there, and what is said?",
    }

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        return {**super().prepare(job, attempt), "segments": _list_segments(job)}


def _list_segments(job: Job) -> list[dict[str, Any]] | None:
    if job.project_id is None:
        return None
    try:
        segments = transcript.read_transcript(project_id=job.project_id, user_id=job.user_id)[
            "segments"
        ]
    except NotFoundProblem:
        return None  # The project was deleted meanwhile.
    media_segments = [
        {
            "start_ms": segment["start_ms"],
            "end_ms": segment["end_ms"],
            "text": (segment["edited_text"] or segment["text"])[: contract.MAX_SEGMENT_TEXT],
        }
        for segment in segments
        if segment["media_file_id"] == str(job.media_ids[0])
    ]
    return media_segments[: contract.MAX_SEGMENTS] or None


FEATURE = _VideoQuery()
