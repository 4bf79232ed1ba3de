"""What is confirmed can be used by whatever takes its type; the rest is refused by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gpu_tasks.mediakit import ffmpeg, film
from gpu_tasks.runtime.errors import InputRefusedError
from media.derivation.pictures import make_pictures
from media.inspection import inspect, inspect_with
from media.limits import DECODING
from media.probes import AnimatedPictureError, PictureTooLargeError
from media.probing import probe
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline

SECONDS = 0.5
SMALL: dict[str, tuple[str, ...]] = {
    "2x2.mkv": ("-c:v", "ffv1", "-pix_fmt", "yuv420p"),
    "1x64.webm": ("-c:v", "libvpx-vp9"),
    "64x1.avi": ("-c:v", "mjpeg"),
    "1x1.mov": ("-c:v", "qtrle", "-pix_fmt", "argb"),
    "2x2.gif": (),
    "1x1.png": ("-frames:v", "1"),
    "17x31.jpg": ("-frames:v", "1"),
    "3x3000.webp": ("-frames:v", "1"),
}
LARGE = (12_000, 9_000)
"""A phone's 108 million pixels."""


def shown(path: Path, studio: Studio) -> None:
    """Whatever shows pictures gets through the file."""
    _, rendered = studio.render(timeline([path], [clip(0, 0, 400)]), output(proxy=True), [path])
    assert len(list(film.probe(rendered).frames())) == 10
    assert next(film.probe(path).frames()).any()
    length = probe(str(path)).duration_ms
    with path.open("rb") as source:
        assert make_pictures(source, length, lambda _share: None)["thumbnail"]


@pytest.mark.parametrize("name", SMALL)
def test_the_smallest_pictures_are_shown(name: str, tmp_path: Path, studio: Studio):
    path = tmp_path / name
    white = f"color=white:size={path.stem}:rate=25:duration={SECONDS}"
    ffmpeg.run(["-f", "lavfi", "-i", white, *SMALL[name], path])
    shown(path, studio)


def photo(path: Path, size: tuple[int, int], mode: str = "L") -> Path:
    """Return a white picture, turned by a note where it can be."""
    note = Image.Exif()
    note[0x112] = 6
    more = {"exif": note.tobytes()} if path.suffix == ".jpg" else {"compress_level": 1}
    Image.new(mode, size, 1 if mode == "1" else 255).save(path, **more)
    return path


def test_a_phones_largest_photo_is_shown(tmp_path: Path, studio: Studio):
    path = photo(tmp_path / "photo.jpg", LARGE)
    result = inspect(str(path))
    assert [result.metadata[name] for name in ("width", "height", "rotation")] == [*LARGE, 90]
    confined = inspect_with(
        "media.derivation.pictures:make_pictures",
        str(path),
        limits=DECODING,
        progress=lambda _share: None,
        duration_ms=None,
    )
    assert confined["thumbnail"]
    shown(path, studio)


def animated(path: Path) -> Path:
    """Two pictures in one."""
    item, other = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    item.save(path, save_all=True, append_images=[other], duration=100)
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], type[InputRefusedError]]] = {
    "large.png": (lambda path: photo(path, (10_000, 7_000), "1"), PictureTooLargeError),
    "larger.png": (lambda path: photo(path, (20_000, 10_000), "1"), PictureTooLargeError),
    "larger.jpg": (lambda path: photo(path, (20_000, 10_000)), PictureTooLargeError),
    "animated.png": (animated, AnimatedPictureError),
    "animated.webp": (animated, AnimatedPictureError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_by_name(name: str, tmp_path: Path):
    make, refusal = REFUSED[name]
    with pytest.raises(InputRefusedError) as caught:
        inspect(str(make(tmp_path / name)))
    assert (caught.value.code, caught.value.detail) == (refusal.code, refusal.detail)


def test_a_film_that_begins_before_zero_lasts_as_long_as_it_plays(tmp_path: Path):
    path = tmp_path / "early.mkv"
    sources = ["-f", "lavfi", "-i", "testsrc2=size=64x48:duration=4"]
    sources += ["-f", "lavfi", "-i", "sine=duration=4"]
    early = ["-output_ts_offset", "-1.5", "-avoid_negative_ts", "disabled"]
    ffmpeg.run([*sources, "-c:v", "libx264", "-c:a", "pcm_s16le", *early, path])
    assert probe(str(path)).duration_ms == pytest.approx(4000, abs=60)
    assert film.probe(path).duration_seconds == pytest.approx(4, abs=0.06)
