"""Of a film with several sounds, every feature takes the one that players play."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.compression.draft import DraftEngine
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import FilmWriter, probe
from tests.gpu_tasks.compression.calls import compress
from tests.gpu_tasks.recordings import RATE, sound_of
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

HERTZ = (300, 700, 1100)
FFMPEGS_BEST = 2
Feature = Callable[[Path, Path], Path]


def film_of(folder: Path, marked: int | None) -> Path:
    """Two seconds with three sounds, of which FFmpeg likes the last best."""
    path = folder / "film.mkv"
    arguments = ["-f", "lavfi", "-i", "testsrc2=size=96x48:rate=25:duration=2"]
    for hertz in HERTZ:
        arguments += ["-f", "lavfi", "-i", f"sine=frequency={hertz}:sample_rate=48000:duration=2"]
    arguments += ["-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:v", "libx264"]
    arguments += ["-crf", "5", "-c:a", "flac", "-c:a:2", "pcm_s32le"]
    arguments += ["-default_mode", "passthrough"]
    for index in range(len(HERTZ)):
        arguments += [f"-disposition:a:{index}", "default" if index == marked else "0"]
    ffmpeg.run([*arguments, path])
    return path


def heard(film: Path, folder: Path) -> Path:
    """Return the sound as transcription, voices and lip-sync read it."""
    del folder
    return film


def written(film: Path, folder: Path) -> Path:
    """Return the sound as gaze redirection, lip-sync and performance cloning write it."""
    source, path = probe(film), folder / "written.mp4"
    with FilmWriter(path, width=96, height=48, frame_rate=source.frame_rate, sound=film) as writer:
        for frame in source.frames():
            writer.write(frame)
    return path


def for_web(film: Path, folder: Path) -> Path:
    return compress(DraftEngine(), folder, film, "web")[1]


def for_archive(film: Path, folder: Path) -> Path:
    return compress(DraftEngine(), folder, film, "archive")[1]


def to_size(film: Path, folder: Path) -> Path:
    return compress(DraftEngine(), folder, film, 60_000)[1]


def rendered(film: Path, folder: Path) -> Path:
    files = [film]
    edited = timeline(files, [clip(0, 0, 1000, sounds=True)])
    return Studio(folder).render(edited, output(), files)[1]


@pytest.mark.parametrize("feature", [heard, written, for_web, for_archive, to_size, rendered])
@pytest.mark.parametrize(("marked", "expected"), [(0, 0), (1, 1), (None, FFMPEGS_BEST)])
def test_the_sound_that_is_marked_counts_or_the_best(
    tmp_path: Path, feature: Feature, marked: int | None, expected: int
):
    sound = sound_of(feature(film_of(tmp_path, marked), tmp_path))
    spectrum = np.abs(np.fft.rfft(sound[: RATE // 2].astype(float)))
    assert spectrum.argmax() * 2 == pytest.approx(HERTZ[expected], abs=4)
