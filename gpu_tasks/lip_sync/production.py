"""The production engine: MuseTalk 1.5 paints the lower half of the face anew, frame by frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpu_tasks.contract import EngineInfo
from gpu_tasks.engine import Workspace
from gpu_tasks.film import Frame
from gpu_tasks.lip_sync import footage
from gpu_tasks.lip_sync.blending import Box
from gpu_tasks.lip_sync.contract import MODELS, LipSyncPayload, LipSyncResult
from gpu_tasks.lip_sync.footage import READ_SHARE, Footage
from gpu_tasks.lip_sync.musetalk import SIDE, MuseTalk, around

BATCH = 16
"""Faces at a time: under 6 GB in half precision."""
HEARD_SHARE = 0.05
"""Of the progress, for hearing the recording."""


def load(model_dir: Path | None, device: str, dtype: str) -> "ProductionEngine":
    """The engine with its weights from ``model_dir``."""
    if model_dir is None:
        raise ValueError("the weights' folder is not set")
    return ProductionEngine(MuseTalk.load(model_dir, device, dtype))


class ProductionEngine:
    """Makes the film's largest face speak."""

    def __init__(self, musetalk: MuseTalk) -> None:
        self.info = EngineInfo(name="production", model=MODELS["unet"])
        self._musetalk = musetalk

    def run(self, payload: LipSyncPayload, workspace: Workspace) -> LipSyncResult:
        """Write the film; frames without a face stay as they are."""
        scene = footage.read(workspace)
        heard = self._musetalk.hear(
            scene.sound, lambda share: workspace.progress(READ_SHARE + HEARD_SHARE * share)
        )
        begun = READ_SHARE + HEARD_SHARE
        with scene.writer(workspace.output("result"), workspace.input("audio")) as writer:
            for index, frame in enumerate(self._spoken(scene, heard)):
                writer.write(frame)
                workspace.progress(begun + (1 - begun) * (index + 1) / scene.frames)
        return scene.result()

    def _spoken(self, scene: Footage, heard: Any) -> Iterator[Frame]:
        for start in range(0, scene.frames, BATCH):
            indexes = range(start, min(start + BATCH, scene.frames))
            frames = {index: scene.frame(index) for index in indexes}
            boxes = _boxes(scene, frames)
            for index, picture in self._pictures(scene, frames, boxes, heard):
                face = scene.face(index)
                frames[index] = boxes[index].paste(frames[index], picture, face)
            yield from frames.values()

    def _pictures(
        self, scene: Footage, frames: dict[int, Frame], boxes: dict[int, Box], heard: Any
    ) -> Iterator[tuple[int, Frame]]:
        if not boxes:
            return
        faces = [box.cut(frames[index], SIDE) for index, box in boxes.items()]
        windows = around(heard, list(boxes), scene.film.frame_rate)
        yield from zip(boxes, self._musetalk.speak(faces, windows), strict=True)


def _boxes(scene: Footage, frames: dict[int, Frame]) -> dict[int, Box]:
    boxes = {}
    for index, frame in frames.items():
        face = scene.face(index)
        if face is not None and (box := Box.of(face)).is_usable(frame):
            boxes[index] = box
    return boxes
