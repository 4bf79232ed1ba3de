"""HEIC and AVIF pictures are read as all others are: upright, with their alpha, within bounds."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from gpu_tasks.mediakit import film, heif
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from media.derivation.pictures import make_still_thumbnail
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline
from tests.media.films import decoded
from tests.media.heic import heic

QUARTERS = (
    np.array(
        [[(0, 0, 0), (90, 90, 90), (90, 90, 90)], [(170, 170, 170), (250, 250, 250), (0, 0, 0)]],
        np.uint8,
    )
    .repeat(32, axis=0)
    .repeat(64, axis=1)
)
"""192 x 64."""


def save_avif(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, "AVIF", **options)
    return path


def save_heic(path: Path, **options: int) -> Path:
    path.write_bytes(heic(QUARTERS, **options))
    return path


def read(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        return np.asarray(Image.open(heif.convert_to_png(file)), float)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("quarter_turns", range(4))
def test_heic_is_upright_and_of_all_its_tiles(
    tmp_path: Path, columns: int, quarter_turns: int
) -> None:
    path = save_heic(tmp_path / "a.heic", columns=columns, quarter_turns=quarter_turns)
    assert np.abs(read(path) - np.rot90(QUARTERS, quarter_turns)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_upright(tmp_path: Path, orientation: int) -> None:
    note = Image.Exif()
    note[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(QUARTERS)
    stored.save(tmp_path / "a.png", exif=note)
    path = save_avif(tmp_path / "a.avif", stored, exif=note, quality=95)  # changes the note
    with Image.open(tmp_path / "a.png") as noted:
        expected = np.asarray(ImageOps.exif_transpose(noted), float)
    result = read(path)
    assert result.shape[:2] == expected.shape[:2]
    assert np.abs(result[..., :3] - expected).mean() < 3


def test_alpha_is_kept(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (64, 64), (200, 100, 50, 128))
    result = read(save_avif(tmp_path / "a.avif", clear, quality=95))
    assert np.abs(result - (200, 100, 50, 128)).max() < 8


def test_a_large_one_is_read_at_half_of_its_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [
        save_heic(tmp_path / "a.heic"),
        save_avif(tmp_path / "a.avif", Image.fromarray(QUARTERS)),
    ]
    for maximum, size in ((192 * 64, (64, 192)), (192 * 64 - 1, (32, 96))):
        monkeypatch.setattr(heif, "WHOLE_PIXELS", maximum)
        assert {read(path).shape[:2] for path in paths} == {size}


@pytest.mark.parametrize("maximum", [192 * 64, 192 * 64 - 1])
def test_more_pixels_than_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maximum: int
) -> None:
    path = save_heic(tmp_path / "a.heic")
    monkeypatch.setattr(heif, "MAX_PIXELS", {"heic": maximum})
    if maximum == 192 * 64:
        read(path)
        return
    with pytest.raises(EngineError) as caught:
        read(path)
    assert (caught.value.code, caught.value.message) == (ErrorCode.INPUT_INVALID, heif.TOO_LARGE)


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1unci", None),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavif", None),
        (b"\0\0\0\x08ftyp", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"", None),
    ],
)
def test_what_counts_as_one(beginning: bytes, expected: str | None) -> None:
    assert heif.find_format(beginning) == expected


@pytest.fixture(params=["heic", "avif"])
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a photo, called as cameras call theirs."""
    path = tmp_path / f"IMG_1.{request.param}"
    if request.param == "heic":
        return save_heic(path, columns=3)
    return save_avif(path, Image.fromarray(QUARTERS), quality=95)


class TestWherePhotosGo:
    def test_thumbnail(self, photo: Path) -> None:
        with photo.open("rb") as file, open_media(file) as container:
            assert (
                np.abs(
                    decoded(make_still_thumbnail(container) or b"").astype(float) - QUARTERS
                ).mean()
                < 6
            )
        with open_media(photo) as container:
            assert make_still_thumbnail(container)

    def test_portrait(self, photo: Path) -> None:
        heif.replace_by_png(photo)
        frame = next(film.probe(photo).frames())
        assert np.abs(frame.astype(float) - QUARTERS).mean() < 6
        before = photo.read_bytes()
        heif.replace_by_png(photo)  # once is enough
        assert photo.read_bytes() == before

    def test_render(self, photo: Path, tmp_path: Path) -> None:
        studio = Studio(tmp_path / "studio")
        settings = output(width=192, height=64, frame_rate="25", proxy=True)
        _, product = studio.render(timeline([photo], [clip(0, 0, 400)]), settings, [photo])
        with av.open(str(product)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == 10
        assert np.abs(frames[-1].astype(float) - QUARTERS).mean() < 10

    def test_a_damaged_one_is_named_by_a_render(self, photo: Path, tmp_path: Path) -> None:
        photo.write_bytes(photo.read_bytes()[:-200])
        studio = Studio(tmp_path / "studio")
        with pytest.raises(EngineError, match=r"'IMG_1\.\w+' cannot be decoded"):
            studio.render(timeline([photo], [clip(0, 0, 400)]), output(), [photo])
