"""Calls of the video query function, and films that are known by heart."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import FilmWriter
from gpu_tasks.runtime.contract import InputFile
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.video_query.contract import SpokenSegment, VideoQueryPayload, VideoQueryResult
from tests.gpu_tasks.recordings import SHORT
from tests.gpu_tasks.workspaces import workspace

SHOTS = (("red", 2.0), ("white", 1.0), ("testsrc2", 2.0), ("black", 1.0))
"""What `known_film` shows, and for how many seconds."""


def known_film(path: Path, *extra: str | Path) -> Path:
    """Six seconds: red, white, a moving test pattern, black; three cuts. No sound by itself."""
    arguments: list[str | Path] = []
    for name, seconds in SHOTS:
        form = f"size=160x90:rate=25:duration={seconds}"
        source = f"{name}={form}" if name == "testsrc2" else f"color={name}:{form}"
        arguments += ["-f", "lavfi", "-i", source]
    joined = f"concat=n={len(SHOTS)}:v=1:a=0[v]"
    filters = ["-filter_complex", joined, "-map", "[v]"]
    ffmpeg.run([*arguments, *extra, *filters, "-c:v", "libx264", "-preset", "ultrafast", path])
    return path


def talking_film(path: Path, silent: Path) -> Path:
    """Return the same film with three seconds of speech."""
    ffmpeg.run(["-i", silent, "-i", SHORT, "-c:v", "copy", "-c:a", "aac", path])
    return path


def titled_film(path: Path, *titles: str) -> Path:
    """Two seconds of each title, white on blue."""
    with FilmWriter(path, width=320, height=180, frame_rate=Fraction(10)) as film:
        for title in titles:
            frame = np.full((180, 320, 3), (20, 40, 90), np.uint8)
            cv2.putText(frame, title, (20, 100), cv2.FONT_HERSHEY_DUPLEX, 1.2, (255,) * 3, 2)
            for _ in range(20):
                film.write(frame)
    return path


def payload(question: str, segments: tuple[SpokenSegment, ...] | None = None) -> VideoQueryPayload:
    """Return the payload of a call with a question."""
    return VideoQueryPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url="http://127.0.0.1:9/callback",
        video=InputFile(url="http://127.0.0.1:9/video", name="film.mp4"),
        question=question,
        segments=segments,
        seed=1,
    )


def ask(
    engine: Engine,
    film: Path,
    root: Path,
    question: str,
    *,
    segments: tuple[SpokenSegment, ...] | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> VideoQueryResult:
    """Return the answer of the engine."""
    files = workspace(root, inputs={"video": film}, outputs=[], progress=progress)
    result = engine.run(payload(question, segments), files)
    assert isinstance(result, VideoQueryResult)
    assert result.duration_ms > 0
    for item in result.evidence:
        assert 0 <= item.start_ms <= item.end_ms <= result.duration_ms
    return result
