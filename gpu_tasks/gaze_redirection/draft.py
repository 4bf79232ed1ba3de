"""The draft engine: the warp alone, on a CPU and offline."""

from gpu_tasks.gaze_redirection.contract import GazeRedirectionPayload, GazeRedirectionResult
from gpu_tasks.gaze_redirection.redirection import redirect
from gpu_tasks.runtime.engine import Engine, Workspace


class DraftEngine(Engine):
    """An engine that moves the irises; one call at a time."""

    model = "iris warp, mediapipe-0.10.21 face mesh and iris"

    def run(self, payload: GazeRedirectionPayload, workspace: Workspace) -> GazeRedirectionResult:
        """Write the redirected film."""
        del payload  # there is one target only
        return redirect(workspace.input("video"), workspace.output("result"), workspace)
