"""The draft engine: the mouth is bent open and shut by the loudness of the voice, on a CPU."""

from pathlib import Path

from gpu_tasks.lip_sync import footage
from gpu_tasks.lip_sync.contract import LipSyncPayload, LipSyncResult
from gpu_tasks.lip_sync.speech import lips
from gpu_tasks.mediakit.mouth import Shape, shaped
from gpu_tasks.runtime.contract import EngineInfo
from gpu_tasks.runtime.engine import Workspace

WIDEST = 0.45
"""The opening at full loudness, as a share of the mouth's width."""


def load(model_dir: Path | None, device: str, dtype: str) -> "DraftEngine":
    """The engine; its networks are bundled, and run on the CPU."""
    del model_dir, device, dtype
    return DraftEngine()


class DraftEngine:
    """Moves the lips of the film's largest face; whatever they said before is taken from them."""

    def __init__(self) -> None:
        self.info = EngineInfo(name="draft", model="speech envelope, mesh warp")

    def run(self, payload: LipSyncPayload, workspace: Workspace) -> LipSyncResult:
        """Write the film; frames without a face stay as they are."""
        del payload
        scene = footage.read(workspace)
        said = lips(scene.sound, frames=scene.frames, frame_rate=scene.film.frame_rate)
        with scene.writer(workspace.output("result"), workspace.input("audio")) as writer:
            for index in range(scene.frames):
                frame, face = scene.frame(index), scene.face(index)
                if face is not None:
                    shape = Shape(WIDEST * said.opening[index], said.spread[index])
                    frame = shaped(frame, face, shape)
                writer.write(frame)
                done = (index + 1) / scene.frames
                workspace.progress(footage.READ_SHARE + (1 - footage.READ_SHARE) * done)
        return scene.result()
