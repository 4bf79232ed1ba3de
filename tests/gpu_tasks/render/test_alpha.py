"""Pictures that one sees through: what lies below is seen in films, and black everywhere else."""

from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.compression import source
from gpu_tasks.mediakit import ffmpeg, film
from gpu_tasks.mediakit.decoding import open_media
from media.derivation.frames import find_picture, iterate_pictures
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

HALF = "format=rgba,geq=r='p(X,Y)':g='p(X,Y)':b='p(X,Y)':a='if(lt(X,48),0,255)'"
RED = f"color=red:size=96x48:rate=12:duration=1,{HALF}"
"""Red that is hidden in its left half."""
PALETTE = "split[a][b];[a]palettegen=reserve_transparent=1[p];[b][p]paletteuse"
FILES: dict[str, tuple[str, ...]] = {
    "vp8.webm": ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-b:v", "1M"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0"),
    "prores.mov": ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"),
    "whole.png": ("-frames:v", "1"),
    "palette.png": ("-frames:v", "1", "-vf", PALETTE, "-pix_fmt", "pal8"),
    "still.webp": ("-frames:v", "1", "-c:v", "libwebp"),
}


@pytest.fixture(params=FILES)
def clear(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file whose left half is hidden."""
    path = tmp_path / request.param
    ffmpeg.run(["-f", "lavfi", "-i", RED, *FILES[request.param], path])
    return path


@pytest.fixture
def green(tmp_path: Path) -> Path:
    """Return a film without alpha."""
    path = tmp_path / "green.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", "color=lime:size=96x48:rate=12:duration=1", path])
    return path


def halves(picture: np.ndarray) -> list[str]:
    """Return the colours of both halves."""
    names = {"black": (0, 0, 0), "red": (255, 0, 0), "green": (0, 255, 0)}
    third = picture.shape[1] // 3
    result = []
    for part in (picture[:, :third], picture[:, -third:]):
        mean = part.reshape(-1, 3).mean(axis=0)
        result.append(min(names, key=lambda name: float(np.abs(mean - names[name]).max())))
    return result


def test_an_overlay_shows_what_is_below(clear: Path, green: Path, studio: Studio):
    expected = timeline([green, clear], [clip(0, 0, 1000)], [clip(1, 0, 1000)])
    _, rendered = studio.render(expected, output(frame_rate="12", proxy=True), [green, clear])
    with av.open(str(rendered)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [halves(frame) for frame in frames] == [["green", "red"]] * 12


def test_elsewhere_it_is_over_black(clear: Path):
    assert halves(next(film.probe(clear).frames())) == ["black", "red"]
    with open_media(clear) as container:
        if clear.suffix in {".png", ".webp"}:
            visible = find_picture(container, 96)
        else:
            *_, visible = iterate_pictures(container, [0.0, 0.5], 96)
    assert visible is not None
    assert halves(visible) == ["black", "red"]
    assert source.probe(clear, pictures=True).pictures.has_alpha
