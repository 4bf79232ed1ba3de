"""The draft engine: procedural scenes of the words it knows in the prompt, on a CPU."""

from gpu_tasks.image_generation import png
from gpu_tasks.image_generation.contract import ImageGenerationPayload, ImageGenerationResult
from gpu_tasks.mediakit.scenes.scene import Scene
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.prompts import clean_prompt
from gpu_tasks.runtime.stages import Stage


class DraftEngine(Engine):
    """An engine that paints landscapes and things by rules; it omits words it does not know."""

    model = "procedural scenes"

    def run(self, payload: ImageGenerationPayload, workspace: Workspace) -> ImageGenerationResult:
        """Write the pictures, each a scene of its own seed."""
        workspace.enter(Stage.GENERATING)
        prompt = clean_prompt(payload.prompt)
        understood: list[str] = []
        for index, seed in enumerate(payload.seeds):
            workspace.progress(index / len(payload.results))
            scene = Scene(prompt, width=payload.width, height=payload.height, seed=seed)
            png.write(workspace.output("results", index), scene.frame())
            understood = scene.understood
        workspace.progress(1.0)
        return ImageGenerationResult(
            width=payload.width,
            height=payload.height,
            seeds=payload.seeds,
            understood=understood,
        )
