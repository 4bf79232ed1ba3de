"""Driving films, and calls of the performance-cloning function as the runner makes them."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from gpu_tasks.performance_cloning.contract import (
    PerformanceCloningPayload,
    PerformanceCloningResult,
)
from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Engine, Workspace
from tests.gpu_tasks.workspaces import workspace


def payload(*, seed: int = 0) -> PerformanceCloningPayload:
    """Return the payload of a call whose files are already in the workspace."""
    url = "http://127.0.0.1:9"
    return PerformanceCloningPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url=url,
        source=InputFile(url=url, name="portrait.png"),
        driving=InputFile(url=url, name="driving.mp4"),
        seed=seed,
        result=OutputFile(key="r.mp4", content_type="video/mp4"),
    )


def workspace_of(
    root: Path,
    source: Path,
    driving: Path,
    progress: Callable[[float], None] = lambda _share: None,
) -> Workspace:
    """Return a workspace that holds copies of the portrait and the film."""
    inputs = {"source": source, "driving": driving}
    return workspace(root, inputs=inputs, outputs=["result"], progress=progress)


def cloned(
    engine: Engine, root: Path, source: Path, driving: Path, *, seed: int = 0
) -> tuple[PerformanceCloningResult, Path]:
    """Return the result, and the film that was written."""
    files = workspace_of(root, source, driving)
    result = engine.run(payload(seed=seed), files)
    assert isinstance(result, PerformanceCloningResult)
    return result, files.output("result")
