"""Calls of the image generation function, as the runner makes them."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np

from gpu_tasks.image_generation.contract import ImageGenerationPayload, ImageGenerationResult
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.contract import OutputFile
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.workspaces import workspace

PROMPT = "a sailing boat on the sea at sunset"


def payload(
    prompt: str = PROMPT, *, width: int = 256, height: int = 256, count: int = 1, seed: int = 5
) -> ImageGenerationPayload:
    """Return the payload of a call for ``count`` pictures."""
    result = OutputFile(key="r.png", content_type="image/png")
    return ImageGenerationPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url="http://127.0.0.1:9/callback",
        prompt=prompt,
        width=width,
        height=height,
        seed=seed,
        results=(result,) * count,
    )


def generate(
    engine: Engine,
    root: Path,
    request: ImageGenerationPayload,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[ImageGenerationResult, list[Frame]]:
    """Return the result, and the pictures that were written."""
    files = workspace(root, inputs={}, outputs=["results"], progress=progress)
    result = engine.run(request, files)
    assert isinstance(result, ImageGenerationResult)
    paths = [files.output("results", index) for index in range(len(request.results))]
    return result, [picture(path) for path in paths]


def picture(path: Path) -> Frame:
    """Return a PNG as RGB."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n")
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
