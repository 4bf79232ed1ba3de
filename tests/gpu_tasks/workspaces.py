"""Workspaces as the runner makes them, for calling engines directly."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.runtime.stages import Stage


def workspace(
    root: Path,
    *,
    inputs: dict[str, Path | Sequence[Path]],
    outputs: Sequence[str],
    progress: Callable[[float], None] = lambda _share: None,
    enter: Callable[[Stage], None] = lambda _stage: None,
) -> Workspace:
    """Return a workspace that holds copies of the inputs and room for the outputs."""
    for name, files in inputs.items():
        for index, file in enumerate([files] if isinstance(files, Path) else files):
            folder = root / "in" / name / str(index)
            folder.mkdir(parents=True)
            shutil.copy(file, folder)
    for name in outputs:
        (root / "out" / name).mkdir(parents=True)
    return Workspace(root=root, progress=progress, enter=enter)
