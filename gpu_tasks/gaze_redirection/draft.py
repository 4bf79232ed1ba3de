"""The draft engine: the warp alone, on a CPU and offline."""

from pathlib import Path

from gpu_tasks.gaze_redirection.contract import GazeRedirectionPayload, GazeRedirectionResult
from gpu_tasks.gaze_redirection.redirection import redirect
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Workspace


def load(model_dir: Path | None, device: str, dtype: str) -> "DraftEngine":
    """The engine; its small networks come with the code."""
    del model_dir, device, dtype
    return DraftEngine()


class DraftEngine:
    """Moves the irises; one call at a time."""

    info = EngineInfo(name="draft", model="iris warp, mediapipe-0.10.21 face mesh and iris")

    def run(self, payload: GazeRedirectionPayload, workspace: Workspace) -> GazeRedirectionResult:
        """Write the redirected film."""
        del payload  # there is one target only
        return redirect(workspace.input("video"), workspace.output("result"), workspace)
