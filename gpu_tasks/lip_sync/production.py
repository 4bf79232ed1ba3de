"""The production engine: MuseTalk 1.5 paints the lower half of the face anew, frame by frame.

Where it is asked for, GFPGAN sharpens what was painted.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Self

from gpu_tasks.lip_sync import footage
from gpu_tasks.lip_sync.blending import Box
from gpu_tasks.lip_sync.contract import CONTRACT, LipSyncPayload, LipSyncResult
from gpu_tasks.lip_sync.footage import READ_SHARE, Footage
from gpu_tasks.lip_sync.musetalk import SIDE, MuseTalk, around
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import OVAL
from gpu_tasks.mediakit.faces.restoration import FaceRestorer
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.engine import Engine, Host, Workspace

BATCH = 16
"""Faces at a time: under 6 GB in half precision."""
HEARD_SHARE = 0.05
"""Of the progress, for hearing the recording."""
LOWER_FACE = OVAL[9:28]
"""Below the ears: what is enhanced."""
ENHANCED_SHARE = 0.8
"""Of what the enhancing network draws."""


class ProductionEngine(Engine):
    """Makes the film's largest face speak."""

    model = CONTRACT.models["unet"]

    def __init__(self, musetalk: MuseTalk, restorer: Callable[[], FaceRestorer]) -> None:
        self._musetalk = musetalk
        self._restorer = restorer

    @classmethod
    def load(cls, host: Host) -> Self:
        """The engine; what enhances faces is loaded for the first who asks for it."""

        @cache
        def restorer() -> FaceRestorer:
            # With its packages: most do not ask.
            from gpu_tasks.mediakit.faces.gfpgan import load_restorer  # noqa: PLC0415

            return load_restorer(host.weights(CONTRACT.models["restoration"]), host.device)

        return cls(MuseTalk(host), restorer)

    def run(self, payload: LipSyncPayload, workspace: Workspace) -> LipSyncResult:
        """Write the film; frames without a face stay as they are."""
        restorer = self._restorer() if payload.enhance_face else None
        scene = footage.read(workspace)
        begun = READ_SHARE + HEARD_SHARE
        heard = self._musetalk.hear(scene.sound, workspace.progress_within(READ_SHARE, begun))
        return scene.write(self._speak(scene, heard, restorer), workspace, begun)

    def _speak(self, scene: Footage, heard: Any, restorer: FaceRestorer | None) -> Iterator[Frame]:
        for start in range(0, scene.frames, BATCH):
            indexes = range(start, min(start + BATCH, scene.frames))
            frames = {index: scene.frame(index) for index in indexes}
            boxes = _boxes(scene, frames)
            painted = self._paint(scene, frames, boxes, heard)
            if restorer is not None and painted:
                faces = [points for _, points in boxes.values()]
                painted = dict(zip(painted, _enhance(restorer, painted, faces), strict=True))
            yield from (frames | painted).values()

    def _paint(
        self,
        scene: Footage,
        frames: dict[int, Frame],
        boxes: dict[int, tuple[Box, Points]],
        heard: Any,
    ) -> dict[int, Frame]:
        """The frames with a face, which now says what is heard."""
        if not boxes:
            return {}
        faces = [box.cut(frames[index], SIDE) for index, (box, _) in boxes.items()]
        windows = around(heard, list(boxes), scene.film.frame_rate)
        said = self._musetalk.speak(faces, windows)
        return {
            index: box.paste(frames[index], picture, points)
            for (index, (box, points)), picture in zip(boxes.items(), said, strict=True)
        }


def _enhance(restorer: FaceRestorer, painted: dict[int, Frame], faces: list[Points]) -> list[Frame]:
    return restorer.restore(list(painted.values()), faces, region=LOWER_FACE, share=ENHANCED_SHARE)


def _boxes(scene: Footage, frames: dict[int, Frame]) -> dict[int, tuple[Box, Points]]:
    boxes = {}
    for index, frame in frames.items():
        face = scene.face(index)
        if face is not None and (box := Box.of(face)).is_usable(frame):
            boxes[index] = (box, face)
    return boxes
