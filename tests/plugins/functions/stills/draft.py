"""Takes them at even distances."""

import cv2
from gpu_tasks.stills.contract import StillsPayload, StillsResult

from gpu_tasks.mediakit.film import probe
from gpu_tasks.runtime.engine import Engine, Workspace


class DraftEngine(Engine):
    """Reads the film once."""

    model = "stills"

    def run(self, payload: StillsPayload, workspace: Workspace) -> StillsResult:
        """Write the pictures."""
        film = probe(workspace.input("video"))
        frames = list(film.frames())
        count = len(payload.results)
        for place in range(count):
            picture = cv2.cvtColor(frames[place * len(frames) // count], cv2.COLOR_RGB2BGR)
            _, png = cv2.imencode(".png", picture)
            workspace.output("results", place).write_bytes(png.tobytes())
            workspace.progress((place + 1) / count)
        return StillsResult(width=film.width, height=film.height, seed=payload.seed)
