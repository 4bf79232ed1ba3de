"""The production engine: the warp, then a network that redraws the eyes' surroundings."""

from collections.abc import Sequence
from typing import Self

from gpu_tasks.gaze_redirection.contract import (
    CONTRACT,
    GazeRedirectionPayload,
    GazeRedirectionResult,
)
from gpu_tasks.gaze_redirection.redirection import RedirectedFrame, redirect
from gpu_tasks.mediakit.faces.gfpgan import load_restorer
from gpu_tasks.mediakit.faces.regions import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from gpu_tasks.mediakit.faces.restoration import FaceRestorer
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.engine import Engine, Host, Workspace

REGION = (*RIGHT_EYE, *LEFT_EYE, *RIGHT_BROW, *LEFT_BROW)
"""The landmarks around the redrawn regions; the rest of the face is unchanged."""
SHARE = 0.6
"""The weight of the network's picture: at 1 it would show another person's eyes."""


class ProductionEngine(Engine):
    """An engine that moves the irises and restores the eyes; one call at a time."""

    model = f"iris warp, {CONTRACT.models['restoration']}"

    def __init__(self, restorer: FaceRestorer) -> None:
        self._restorer = restorer

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the weights onto the device; the network has one precision."""
        return cls(load_restorer(host.weights(CONTRACT.models["restoration"]), host.device))

    def run(self, payload: GazeRedirectionPayload, workspace: Workspace) -> GazeRedirectionResult:
        """Write the redirected film."""
        del payload  # there is one target only
        source, target = workspace.input("video"), workspace.output("result")
        return redirect(source, target, workspace, finish=self._restore_eyes)

    def _restore_eyes(self, frames: Sequence[RedirectedFrame]) -> Sequence[Frame]:
        changed_frames = [(item.frame, item.points) for item in frames if item.points is not None]
        pictures, points = (
            [frame for frame, _ in changed_frames],
            [points for _, points in changed_frames],
        )
        restored_frames = iter(self._restorer.restore(pictures, points, region=REGION, share=SHARE))
        return [item.frame if item.points is None else next(restored_frames) for item in frames]
