"""HEIC and AVIF pictures as PNG, upright, because FFmpeg joins neither their tiles nor alpha."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image, ImageOps

from gpu_tasks.runtime.errors import EngineError, ErrorCode

BEGINNING_BYTES = 256
"""The number of bytes that `find_format` needs."""
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
COMMON_BRANDS = frozenset({b"mif1", b"mif2", b"miaf", b"msf1"})
"""Brands of files whose further brands name their codec."""
SEQUENCE_BRANDS = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"avis", b"msf1"})
"""Brands of files that are sequences of pictures."""

MAX_PIXELS = {"heic": 8192 * 6144, "avif": 8192 * 4096}
"""Phones make HEIC pictures of 48 million pixels. libavif needs more memory for each pixel."""
WHOLE_PIXELS = 25_000_000
"""Larger pictures are read at half the width and height."""
STRIP = 512
"""Lines that are scaled down at once."""
DAMAGED = "The picture is damaged or incomplete."
TOO_LARGE = "The picture has too many pixels."
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, RuntimeError, IndexError)

AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@dataclass(frozen=True)
class Header:
    """The properties of a file's main picture, before it is decoded."""

    format: str
    """`heic` or `avif`."""
    width: int
    height: int
    """Width and height are those of the upright picture."""
    bit_depth: int
    is_sequence: bool

    @property
    def codec(self) -> str:
        """Return FFmpeg's name of the codec."""
        return {"heic": "hevc", "avif": "av1"}[self.format]

    @property
    def is_too_large(self) -> bool:
        """Return whether it has more pixels than are decoded."""
        return self.width * self.height > MAX_PIXELS[self.format]


def find_format(beginning: bytes) -> str | None:
    """Return `heic` or `avif` for the first ``BEGINNING_BYTES`` of such a file, None for others."""
    if beginning[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(beginning[:4], "big"), len(beginning))
    major, *compatible = (beginning[at : at + 4] for at in (8, *range(16, length, 4)))
    brands = [major, *compatible] if major in COMMON_BRANDS else [major]
    if any(brand in AVIF_BRANDS for brand in brands):
        return "avif"
    return "heic" if any(brand in HEIC_BRANDS for brand in brands) else None


def read_header(file: BinaryIO) -> Header:
    """Read the header of a file for which ``find_format`` returns a format; nothing is decoded.

    Raises ``EngineError`` INPUT_INVALID if the header is damaged.
    """
    file.seek(0)
    beginning = file.read(BEGINNING_BYTES)
    is_sequence = beginning[8:12] in SEQUENCE_BRANDS
    try:
        if find_format(beginning) == "heic":
            picture = _open_heic(file)
            width, height = picture.size
            return Header("heic", width, height, int(picture.info["bit_depth"]), is_sequence)
        with _open_avif(file) as avif:
            swaps_sides = avif.getexif().get(0x0112, 1) >= 5
            width, height = avif.size[::-1] if swaps_sides else avif.size
            return Header("avif", width, height, 8, is_sequence or avif.is_animated)
    except _DAMAGE as exc:
        raise EngineError(ErrorCode.INPUT_INVALID, DAMAGED) from exc


def convert_to_png(file: BinaryIO) -> io.BytesIO:
    """Convert the main picture of a HEIC or AVIF file to PNG: upright, in 8 bits.

    A picture of more than ``WHOLE_PIXELS`` gets half the width and height. Colour profiles are
    dropped, as for all pictures. Raises ``EngineError`` INPUT_INVALID.
    """
    header = read_header(file)
    if header.is_too_large:
        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LARGE)
    try:
        picture = _decode_heic(file) if header.format == "heic" else _decode_avif(file)
        content = io.BytesIO()
        picture.save(content, "PNG", compress_level=1)
    except _DAMAGE as exc:
        raise EngineError(ErrorCode.INPUT_INVALID, DAMAGED) from exc
    content.seek(0)
    return content


def replace_by_png(path: Path) -> None:
    """Replace a HEIC or AVIF file by a PNG of its picture; leave other files unchanged.

    It is for engines, which have copies of their own. Raises ``EngineError`` INPUT_INVALID.
    """
    with path.open("rb") as file:
        if find_format(file.read(BEGINNING_BYTES)) is None:
            return
        content = convert_to_png(file)
    converted = path.with_name(f"{path.name}.png")
    converted.write_bytes(content.getbuffer())
    converted.replace(path)


def _open_heic(file: BinaryIO) -> Any:
    import pi_heif  # noqa: PLC0415 - loads libheif, which only such files need

    pi_heif.options.DECODE_THREADS = 1
    file.seek(0)
    pictures = pi_heif.open_heif(file, convert_hdr_to_8bit=True)
    return pictures[pictures.primary_index]


def _decode_heic(file: BinaryIO) -> Image.Image:
    """Decode without a copy at full size; libheif has rotated the picture already."""
    picture = _open_heic(file)
    pixels = np.asarray(picture)
    pixels = pixels[:, : picture.size[0]]
    if pixels.shape[0] * pixels.shape[1] > WHOLE_PIXELS:
        pixels = np.concatenate(list(_halve_strips(pixels)))
    return Image.fromarray(pixels)


def _halve_strips(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    for top in range(0, height, STRIP):
        strip = np.ascontiguousarray(pixels[top : min(top + STRIP, height), :width])
        yield np.asarray(Image.fromarray(strip).reduce(2))


def _open_avif(file: BinaryIO) -> Any:
    file.seek(0)
    return Image.open(file, formats=["AVIF"])


def _decode_avif(file: BinaryIO) -> Image.Image:
    with _open_avif(file) as avif:
        picture: Image.Image = avif
        picture.load()
        if picture.width * picture.height > WHOLE_PIXELS:
            picture = picture.reduce(2)
        upright = ImageOps.exif_transpose(picture)
        return upright if upright.mode in ("RGB", "RGBA") else upright.convert("RGBA")
