"""The draft engine: the mouth is bent open and shut by the loudness of the voice, on a CPU."""

from gpu_tasks.lip_sync import footage
from gpu_tasks.lip_sync.contract import LipSyncPayload, LipSyncResult
from gpu_tasks.lip_sync.speech import openings
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import opened
from gpu_tasks.runtime.engine import Engine, Workspace

WIDEST = 0.5
"""The opening at full loudness, as a share of the mouth's width."""


class DraftEngine(Engine):
    """Moves the lips of the film's largest face; whatever they said before is taken from them."""

    model = "speech envelope, mesh warp"

    def run(self, payload: LipSyncPayload, workspace: Workspace) -> LipSyncResult:
        """Write the film; frames without a face stay as they are."""
        del payload
        scene = footage.read(workspace)
        wide = openings(scene.sound, frames=scene.frames, frame_rate=scene.film.frame_rate)

        def spoken(index: int) -> Frame:
            frame, face = scene.frame(index), scene.face(index)
            return frame if face is None else opened(frame, face, WIDEST * wide[index])

        return scene.write(map(spoken, range(scene.frames)), workspace, footage.READ_SHARE)
