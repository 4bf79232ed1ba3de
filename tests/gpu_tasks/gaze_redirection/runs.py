"""Runs of engines on films."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from gpu_tasks.gaze_redirection.contract import (
    GazeRedirectionPayload,
    GazeRedirectionResult,
    Target,
)
from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.workspaces import workspace


def run(
    engine: Engine,
    folder: Path,
    film: Path,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[GazeRedirectionResult, Path]:
    """Return the result, and the film that was made."""
    space = workspace(
        folder / "work", inputs={"video": film}, outputs=["result"], progress=progress
    )
    payload = GazeRedirectionPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url="http://nowhere",
        video=InputFile(url="http://nowhere", name=film.name),
        target=Target.CAMERA,
        result=OutputFile(key="key", content_type="video/mp4"),
    )
    result = engine.run(payload, space)
    assert isinstance(result, GazeRedirectionResult)
    return result, space.output("result")
