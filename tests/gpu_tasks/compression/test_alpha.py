"""Films that one sees through."""

from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.compression.source import probe
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.compression.calls import compress
from tests.gpu_tasks.films import make_film

RED = (
    "color=red:size=192x64:duration=1,format=rgba,"
    "geq=r='p(X,Y)':g='p(X,Y)':b='p(X,Y)':a='if(lt(X,64),0,if(lt(X,128),128,255))'"
)
"""Red, hidden in its left third, half seen in its middle."""
CODECS = {
    "ProRes 4444": ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"),
    "QuickTime Animation": ("-c:v", "qtrle", "-pix_fmt", "argb"),
    "FFV1": ("-c:v", "ffv1", "-pix_fmt", "yuva420p"),
}


@pytest.mark.parametrize("target", ["web", "archive", 12_000])
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_what_is_hidden_becomes_black(
    engine: Engine, tmp_path: Path, codec: tuple[str, ...], target: object
):
    source = tmp_path / "film.mov"
    tone = ("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "pcm_s24le")
    ffmpeg.run(["-f", "lavfi", "-i", RED, *tone, *codec, source])
    assert probe(source, pictures=True).pictures.has_alpha
    result, path = compress(engine, tmp_path / "work", source, target)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    row = frame[len(frame) // 2]
    hidden, half, seen = (row[round(len(row) * share)] for share in (1 / 6, 1 / 2, 5 / 6))
    assert np.abs(hidden - (0, 0, 0)).max() < 20
    assert np.abs(half - (128, 0, 0)).max() < 24
    assert np.abs(seen - (255, 0, 0)).max() < 24
    assert result.ssim > 0.9


def test_most_films_have_no_alpha(tmp_path: Path):
    film = make_film(tmp_path / "film.mp4")
    assert not probe(film, pictures=True).pictures.has_alpha
