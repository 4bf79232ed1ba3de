"""The draft engine: procedural scenes with motion, on a CPU."""

from gpu_tasks.mediakit.scenes.scene import Scene
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.prompts import clean_prompt
from gpu_tasks.runtime.stages import Stage
from gpu_tasks.video_generation import film_output
from gpu_tasks.video_generation.contract import (
    FRAME_RATE,
    VideoGenerationPayload,
    VideoGenerationResult,
)


class DraftEngine(Engine):
    """An engine that films a painted scene with a slow camera; it omits words it does not know."""

    model = "procedural scenes"

    def run(self, payload: VideoGenerationPayload, workspace: Workspace) -> VideoGenerationResult:
        """Write the film, frame by frame."""
        workspace.enter(Stage.GENERATING)
        workspace.progress(0.0)
        size = payload.resolution
        scene = Scene(
            clean_prompt(payload.prompt), width=size.width, height=size.height, seed=payload.seed
        )
        numbers = range(film_output.count_frames(payload))
        frames = (scene.frame(number / FRAME_RATE) for number in numbers)
        return film_output.write(
            payload, workspace, frames, share_before=0.0, understood=scene.understood
        )
