"""Takes them at even distances."""

from pathlib import Path

import cv2
from gpu_tasks.stills.contract import StillsPayload, StillsResult

from gpu_tasks.mediakit.film import look
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Workspace


class StillsEngine:
    """Reads the film once."""

    info = EngineInfo(name="draft", model="stills")

    def run(self, payload: StillsPayload, workspace: Workspace) -> StillsResult:
        """Write the pictures."""
        film = look(workspace.input("video"))
        frames = list(film.frames())
        count = len(payload.results)
        for place in range(count):
            picture = cv2.cvtColor(frames[place * len(frames) // count], cv2.COLOR_RGB2BGR)
            _, png = cv2.imencode(".png", picture)
            workspace.output("results", place).write_bytes(png.tobytes())
            workspace.progress((place + 1) / count)
        return StillsResult(width=film.width, height=film.height, seed=payload.seed)


def load(model_dir: Path | None, device: str, dtype: str) -> StillsEngine:
    """Nothing to load."""
    return StillsEngine()
