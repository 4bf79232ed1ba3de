"""The production engine: MuseTalk 1.5 repaints the lower half of the face, frame by frame.

On request, GFPGAN sharpens the result.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Self

from gpu_tasks.lip_sync import footage
from gpu_tasks.lip_sync.blending import Box
from gpu_tasks.lip_sync.contract import CONTRACT, LipSyncPayload, LipSyncResult
from gpu_tasks.lip_sync.footage import READING_SHARE, Footage
from gpu_tasks.lip_sync.musetalk import SIDE, MuseTalk, select_windows
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import OVAL
from gpu_tasks.mediakit.faces.restoration import FaceRestorer
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.engine import Engine, Host, Workspace

BATCH = 16
"""Faces per batch: under 6 GB in half precision."""
SOUND_SHARE = 0.05
"""The share of the progress for encoding the recording."""
LOWER_FACE = OVAL[9:28]
"""The part of the oval below the ears, which is enhanced."""
ENHANCEMENT_SHARE = 0.8
"""The weight of the enhancing network's picture."""


class ProductionEngine(Engine):
    """An engine that makes the film's largest face speak."""

    model = CONTRACT.models["unet"]

    def __init__(self, musetalk: MuseTalk, restorer: Callable[[], FaceRestorer]) -> None:
        self._musetalk = musetalk
        self._restorer = restorer

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load MuseTalk; the restorer is loaded by the first call that enhances faces."""

        @cache
        def restorer() -> FaceRestorer:
            # Most calls need neither the restorer nor its packages.
            from gpu_tasks.mediakit.faces.gfpgan import load_restorer  # noqa: PLC0415

            return load_restorer(host.weights(CONTRACT.models["restoration"]), host.device)

        return cls(MuseTalk(host), restorer)

    def run(self, payload: LipSyncPayload, workspace: Workspace) -> LipSyncResult:
        """Write the film; frames without a face stay unchanged."""
        restorer = self._restorer() if payload.enhance_face else None
        scene = footage.read_footage(workspace)
        share_before = READING_SHARE + SOUND_SHARE
        sound_states = self._musetalk.encode_sound(
            scene.sound, workspace.progress_within(READING_SHARE, share_before)
        )
        return scene.write(
            self._speak_frames(scene, sound_states, restorer), workspace, share_before
        )

    def _speak_frames(
        self, scene: Footage, sound_states: Any, restorer: FaceRestorer | None
    ) -> Iterator[Frame]:
        for start in range(0, scene.frames, BATCH):
            indices = range(start, min(start + BATCH, scene.frames))
            frames = {index: scene.frame(index) for index in indices}
            boxes = _find_boxes(scene, frames)
            new_frames = self._repaint_faces(scene, frames, boxes, sound_states)
            if restorer is not None and new_frames:
                faces = [points for _, points in boxes.values()]
                enhanced_frames = restorer.restore(
                    list(new_frames.values()), faces, region=LOWER_FACE, share=ENHANCEMENT_SHARE
                )
                new_frames = dict(zip(new_frames, enhanced_frames, strict=True))
            yield from (frames | new_frames).values()

    def _repaint_faces(
        self,
        scene: Footage,
        frames: dict[int, Frame],
        boxes: dict[int, tuple[Box, Points]],
        sound_states: Any,
    ) -> dict[int, Frame]:
        """Return the frames with a face, which now says the sound."""
        if not boxes:
            return {}
        faces = [box.cut(frames[index], SIDE) for index, (box, _) in boxes.items()]
        windows = select_windows(sound_states, list(boxes), scene.film.frame_rate)
        pictures = self._musetalk.repaint_faces(faces, windows)
        return {
            index: box.paste(frames[index], picture, points)
            for (index, (box, points)), picture in zip(boxes.items(), pictures, strict=True)
        }


def _find_boxes(scene: Footage, frames: dict[int, Frame]) -> dict[int, tuple[Box, Points]]:
    boxes = {}
    for index, frame in frames.items():
        face = scene.face(index)
        if face is not None and (box := Box.from_points(face)).is_usable(frame):
            boxes[index] = (box, face)
    return boxes
