"""The draft engine: warps the mouth open and shut by the loudness of the voice, on a CPU."""

from gpu_tasks.lip_sync import footage
from gpu_tasks.lip_sync.contract import LipSyncPayload, LipSyncResult
from gpu_tasks.lip_sync.speech import measure_openings
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.mouth import open_mouth
from gpu_tasks.runtime.engine import Engine, Workspace

WIDEST = 0.5
"""The opening at full loudness, as a share of the mouth's width."""


class DraftEngine(Engine):
    """An engine that moves the lips of the film's largest face; their own motion is removed."""

    model = "speech envelope, mesh warp"

    def run(self, payload: LipSyncPayload, workspace: Workspace) -> LipSyncResult:
        """Write the film; frames without a face stay unchanged."""
        del payload
        scene = footage.read_footage(workspace)
        mouth_openings = measure_openings(
            scene.sound, frames=scene.frames, frame_rate=scene.film.frame_rate
        )

        def animate_frame(index: int) -> Frame:
            frame, face = scene.frame(index), scene.face(index)
            return (
                frame if face is None else open_mouth(frame, face, WIDEST * mouth_openings[index])
            )

        return scene.write(
            map(animate_frame, range(scene.frames)), workspace, footage.READING_SHARE
        )
