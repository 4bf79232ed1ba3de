"""Every feature that reads interlaced pictures takes their combs out, and keeps their rate."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import Frame, probe
from gpu_tasks.video_query.sampling import read_stills
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

Feature = Callable[[Path], Sequence[Frame]]


def interlaced(folder: Path) -> Path:
    """Return a second of a white bar that moves by five pixels from field to field; 25 frames."""
    path = folder / "film.mp4"
    moving = "color=black:s=320x96:r=50:d=1,drawbox=x=0:y=0:w=40:h=96:color=white:t=fill"
    fields = "scroll=horizontal=0.015625,tinterlace=interleave_top,setfield=tff"
    encoded = ["-c:v", "libx264", "-flags", "+ilme+ildct", "-crf", "10", "-pix_fmt", "yuv420p"]
    ffmpeg.run(["-f", "lavfi", "-i", f"{moving},{fields}", *encoded, path])
    return path


def read(film: Path) -> Sequence[Frame]:
    """Return the frames as most engines read them."""
    return list(probe(film).frames())


def looked_at(film: Path) -> Sequence[Frame]:
    """Return the frames as the production engine of video queries reads them."""
    return [still.frame for still in read_stills(probe(film), lambda _share: None)]


def rendered(film: Path) -> Sequence[Frame]:
    edited = timeline([film], [clip(0, 0, 1000)])
    settings = output(width=320, height=96)
    return read(Studio(film.parent).render(edited, settings, [film])[1])


def combs(frame: Frame) -> float:
    """How much rows differ from both of their neighbours, in the middle of the picture."""
    rows = frame[24:72].mean(axis=2)
    return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())


@pytest.mark.parametrize(("feature", "count"), [(read, 25), (looked_at, 4), (rendered, 25)])
def test_there_are_no_combs(tmp_path: Path, feature: Feature, count: int):
    film = interlaced(tmp_path)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    with ffmpeg.read_output([*ffmpeg.source(film), *raw]) as stored:
        frames = np.frombuffer(stored.read(), np.uint8).reshape(-1, 96, 320, 3)
    assert np.mean([combs(frame) for frame in frames]) > 5
    visible = feature(film)
    assert len(visible) == count
    assert np.mean([combs(frame) for frame in visible[1:-1]]) < 1
