"""Read the inputs of both engines: the recording, and the film extended or cut to its length."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from gpu_tasks.lip_sync.contract import (
    MAX_RATE,
    MAX_SECONDS,
    MIN_FACE_SHARE,
    MIN_RATE,
    MIN_SECONDS,
    LipSyncResult,
)
from gpu_tasks.mediakit.audio import RATE, Block, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.tracking import FaceTracker
from gpu_tasks.mediakit.film import FALLBACK_RATE, Film, FilmWriter, Frame, probe
from gpu_tasks.mediakit.loudness import amplify_if_quiet
from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage

READING_SHARE = 0.4
"""The share of the progress for reading the film and tracking its face."""
FRAME_SUFFIX = (
    cv2.IMWRITE_JPEG_QUALITY,
    97,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
"""Frames are stored as JPEG on disk: minutes of film do not fit into memory."""

NO_FACE = "There is no face in the film that could speak."


@dataclass(frozen=True)
class Footage:
    """The recording, and a film of as many frames as it lasts, on disk."""

    sound: Samples
    film: Film
    frames: int
    folder: Path
    faces: list[Points | None]
    """The landmarks in each frame of the source."""

    @property
    def frames_with_face(self) -> int:
        """Return how many frames of the result show a face."""
        return sum(self.face(index) is not None for index in range(self.frames))

    def face(self, index: int) -> Points | None:
        """Return the landmarks in a frame of the result."""
        return self.faces[get_source_index(index, len(self.faces))]

    def frame(self, index: int) -> Frame:
        """Return a frame of the result, unchanged from the source."""
        path = _frame_path(self.folder, get_source_index(index, len(self.faces)))
        picture = cv2.imread(str(path))
        if picture is None:
            raise OSError(f"{path} cannot be read back")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def write(
        self, frames: Iterable[Frame], workspace: Workspace, share_before: float
    ) -> LipSyncResult:
        """Write the result with the recording as its sound.

        ``share_before`` is the share of the work done before.
        """
        workspace.enter(Stage.GENERATING)
        with FilmWriter(
            workspace.output("result"),
            width=self.film.width,
            height=self.film.height,
            frame_rate=self.film.frame_rate,
            sound=workspace.input("audio"),
        ) as writer:
            writer.write_all(frames, self.frames, workspace.progress_within(share_before, 1.0))
        return LipSyncResult(
            duration_ms=round(self.frames * 1000 / self.film.frame_rate),
            width=self.film.width,
            height=self.film.height,
            frame_rate=float(self.film.frame_rate),
            frames=self.frames,
            frames_with_face=self.frames_with_face,
        )


def get_source_index(index: int, count: int) -> int:
    """Return which of ``count`` frames is shown at ``index``.

    The frames are played alternately forwards and backwards.
    """
    if count == 1:
        return 0
    position = index % (2 * count - 2)
    return min(position, 2 * count - 2 - position)


def read_footage(workspace: Workspace) -> Footage:
    """Read the inputs of a call into its workspace.

    Raise ``EngineError`` INPUT_INVALID if the recording is too long or too short, or the film has
    no face.
    """
    workspace.enter(Stage.READING)
    sound = _read_recording(workspace.input("audio"))
    film = probe(workspace.input("video"))
    film = replace(film, frame_rate=choose_rate(film.frame_rate))
    frames = max(1, round(sound.size * film.frame_rate / RATE))
    folder = workspace.scratch("frames")
    folder.mkdir()
    faces = _track_faces(film, frames, folder, workspace.progress_within(0.0, READING_SHARE))
    footage = Footage(sound=sound, film=film, frames=frames, folder=folder, faces=faces)
    if footage.frames_with_face < max(1, MIN_FACE_SHARE * frames):
        raise EngineError(ErrorCode.INPUT_INVALID, NO_FACE)
    return footage


def choose_rate(frame_rate: Fraction) -> Fraction:
    """Return the result's frame rate for a film's: its own, or an integer fraction of it."""
    if frame_rate < MIN_RATE:
        return FALLBACK_RATE
    while frame_rate > MAX_RATE:
        frame_rate /= 2
    return frame_rate


def _read_recording(path: Path) -> Samples:
    """Read all samples; gaps are silence.

    Quiet sound is amplified, because lips move as they do in loud speech.
    """
    blocks: list[Block] = []
    with open_media(path) as container:
        for block in SoundTrack(container).blocks():
            if block.end > MAX_SECONDS * RATE:
                message = f"The recording is longer than {MAX_SECONDS} seconds."
                raise EngineError(ErrorCode.INPUT_INVALID, message)
            blocks.append(block)
    parts: list[Samples] = []
    end = 0
    for block in amplify_if_quiet(blocks):
        parts += [np.zeros(block.start - end, np.int16), block.samples]
        end = block.end
    if end < MIN_SECONDS * RATE:
        message = f"The recording is shorter than {MIN_SECONDS} seconds."
        raise EngineError(ErrorCode.INPUT_INVALID, message)
    return np.concatenate(parts)


def _track_faces(
    film: Film, frames: int, folder: Path, progress: Callable[[float], None]
) -> list[Points | None]:
    tracker = FaceTracker(frame_rate=float(film.frame_rate))
    faces: list[Points | None] = []
    for frame in islice(film.frames(), frames):
        path = _frame_path(folder, len(faces))
        if not cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), FRAME_SUFFIX):
            raise OSError(f"{path} cannot be written")
        face = tracker.follow(frame)
        faces.append(None if face is None else face.points)
        progress(min(1.0, len(faces) / min(frames, film.frames_expected)))
    return faces


def _frame_path(folder: Path, index: int) -> Path:
    return folder / f"{index:06}.jpg"
