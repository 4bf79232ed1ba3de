"""Calls of the video generation function, as the runner makes them."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from gpu_tasks.mediakit.film import Film, probe
from gpu_tasks.runtime.contract import OutputFile
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.video_generation.contract import (
    Resolution,
    VideoGenerationPayload,
    VideoGenerationResult,
)
from tests.gpu_tasks.workspaces import workspace

PROMPT = "a sailing boat on the sea at sunset"


def payload(
    prompt: str = PROMPT,
    *,
    seconds: int = 1,
    resolution: Resolution = Resolution.LANDSCAPE,
    seed: int = 5,
) -> VideoGenerationPayload:
    """Return the payload of a call for a film."""
    result = OutputFile(key="r.mp4", content_type="video/mp4")
    return VideoGenerationPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url="http://127.0.0.1:9/callback",
        prompt=prompt,
        duration_sec=seconds,
        resolution=resolution,
        seed=seed,
        result=result,
    )


def generate(
    engine: Engine,
    root: Path,
    request: VideoGenerationPayload,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[VideoGenerationResult, Film]:
    """Return the result, and the film that was written."""
    files = workspace(root, inputs={}, outputs=["result"], progress=progress)
    result = engine.run(request, files)
    assert isinstance(result, VideoGenerationResult)
    return result, probe(files.output("result"))
