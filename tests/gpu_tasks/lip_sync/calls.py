"""Films of a speaker, and calls of the lip-sync function as the runner makes them."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import numpy as np

from gpu_tasks.lip_sync.contract import LipSyncPayload, LipSyncResult
from gpu_tasks.mediakit.film import FilmWriter, Frame
from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Engine, Workspace
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene
from tests.gpu_tasks.workspaces import workspace

WIDTH, HEIGHT = 240, 180
FRAME_RATE = Fraction(25)


def nodding(frames: int) -> Iterable[Frame]:
    """Return a face that sways a little."""
    for index in range(frames):
        sway = np.sin(index / 6)
        position = Place(WIDTH / 2 + 6 * sway, HEIGHT / 2, 100, degrees=5 * sway)
        yield scene(position, width=WIDTH, height=HEIGHT)


def filmed(path: Path, frames: Iterable[Frame], *, rate: Fraction = FRAME_RATE) -> Path:
    """Return a film of these frames, without sound."""
    pictures = list(frames)
    height, width = pictures[0].shape[:2]
    with FilmWriter(path, width=width, height=height, frame_rate=rate) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def damaged(path: Path, film: Path) -> Path:
    """Write a copy of a film with zeros in place of most of its pictures."""
    content = film.read_bytes()
    start = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 10
    path.write_bytes(content[:start] + bytes(len(content) - start))
    return path


def payload(*, enhance_face: bool = False) -> LipSyncPayload:
    """Return the payload of a call whose files are already in the workspace."""
    url = "http://127.0.0.1:9"
    return LipSyncPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url=url,
        video=InputFile(url=url, name="film.mp4"),
        audio=InputFile(url=url, name="speech.flac"),
        enhance_face=enhance_face,
        result=OutputFile(key="r.mp4", content_type="video/mp4"),
    )


def workspace_of(
    root: Path, film: Path, sound: Path, progress: Callable[[float], None] = lambda _share: None
) -> Workspace:
    """Return a workspace that holds copies of the film and the recording."""
    inputs = {"video": film, "audio": sound}
    return workspace(root, inputs=inputs, outputs=["result"], progress=progress)


def synced(
    engine: Engine, root: Path, film: Path, sound: Path, *, enhance_face: bool = False
) -> tuple[LipSyncResult, Path]:
    """Return the result, and the film that was written."""
    files = workspace_of(root, film, sound)
    result = engine.run(payload(enhance_face=enhance_face), files)
    assert isinstance(result, LipSyncResult)
    return result, files.output("result")
