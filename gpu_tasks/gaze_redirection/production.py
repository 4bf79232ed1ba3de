"""The production engine: the warp, and then a network that redraws what is around the eyes."""

from collections.abc import Sequence
from typing import Self

from gpu_tasks.gaze_redirection.contract import (
    CONTRACT,
    GazeRedirectionPayload,
    GazeRedirectionResult,
)
from gpu_tasks.gaze_redirection.redirection import Redirected, redirect
from gpu_tasks.mediakit.faces.gfpgan import load_restorer
from gpu_tasks.mediakit.faces.regions import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from gpu_tasks.mediakit.faces.restoration import FaceRestorer
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.engine import Engine, Host, Workspace

REGION = (*RIGHT_EYE, *LEFT_EYE, *RIGHT_BROW, *LEFT_BROW)
"""What is redrawn: the rest of the face was not changed."""
SHARE = 0.6
"""Of what the network draws: all of it would be another person's eyes."""


class ProductionEngine(Engine):
    """Moves the irises and restores the eyes; one call at a time."""

    model = f"iris warp, {CONTRACT.models['restoration']}"

    def __init__(self, restorer: FaceRestorer) -> None:
        self._restorer = restorer

    @classmethod
    def load(cls, host: Host) -> Self:
        """The engine with its weights on the device; its network has one precision."""
        return cls(load_restorer(host.weights(CONTRACT.models["restoration"]), host.device))

    def run(self, payload: GazeRedirectionPayload, workspace: Workspace) -> GazeRedirectionResult:
        """Write the redirected film."""
        del payload  # there is one target only
        source, target = workspace.input("video"), workspace.output("result")
        return redirect(source, target, workspace, finish=self._restore)

    def _restore(self, frames: Sequence[Redirected]) -> Sequence[Frame]:
        changed = [(one.frame, one.points) for one in frames if one.points is not None]
        pictures, points = [frame for frame, _ in changed], [points for _, points in changed]
        restored = iter(self._restorer.restore(pictures, points, region=REGION, share=SHARE))
        return [one.frame if one.points is None else next(restored) for one in frames]
