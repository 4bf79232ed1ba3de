"""The draft engine: procedural scenes that move, on a CPU."""

from pathlib import Path

from gpu_tasks.mediakit.scenes.scene import Scene
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.runtime.prompts import cleaned
from gpu_tasks.video_generation import writing
from gpu_tasks.video_generation.contract import (
    FRAME_RATE,
    VideoGenerationPayload,
    VideoGenerationResult,
)


def load(model_dir: Path | None, device: str, dtype: str) -> "DraftEngine":
    """The engine; it has neither weights to find nor a device to choose."""
    del model_dir, device, dtype
    return DraftEngine()


class DraftEngine:
    """Films a painted scene with a slow camera; what it does not know, it leaves out."""

    info = EngineInfo(name="draft", model="procedural scenes")

    def run(self, payload: VideoGenerationPayload, workspace: Workspace) -> VideoGenerationResult:
        """Write the film, frame by frame."""
        workspace.progress(0.0)
        size = payload.resolution
        scene = Scene(
            cleaned(payload.prompt), width=size.width, height=size.height, seed=payload.seed
        )
        numbers = range(writing.frames_wanted(payload))
        frames = (scene.frame(number / FRAME_RATE) for number in numbers)
        return writing.write(payload, workspace, frames, begun=0.0, understood=scene.understood)
