"""Make the thumbnail and the sprite strip of a film in one pass.

Only for use in the sandbox (`media.inspection`).
"""

import base64
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer

from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.runtime.errors import EngineError
from media.derivation.frames import Picture, find_picture, iterate_pictures
from media.derivation.progress import throttle_reports
from media.limits import PICTURES_SECONDS

THUMBNAIL_SIDE = 640
TILE_SIDE = 160
MAX_TILES = 100
COLUMNS = 10
MIN_INTERVAL_MS = 1000
JPEG_SCALE = 3
"""The value of FFmpeg's quantiser, from 1 (best) to 31."""
MIN_BRIGHTNESS, MIN_CONTRAST = 24.0, 12.0
"""Mean and standard deviation of the brightness (0 to 255). Pictures below show too little."""


@dataclass(frozen=True)
class Strip:
    """A JPEG with tiles in rows; tile ``n`` shows the film at ``n * interval_ms``."""

    content: bytes
    tile_width: int
    tile_height: int
    columns: int
    rows: int
    count: int
    interval_ms: int

    def description(self) -> dict[str, Any]:
        """Return all fields except the bytes."""
        return {name: value for name, value in vars(self).items() if name != "content"}


def compute_interval(duration_ms: int) -> tuple[int, int]:
    """Return the milliseconds between tiles, and the number of tiles."""
    interval = max(MIN_INTERVAL_MS, math.ceil(duration_ms / MAX_TILES))
    return interval, max(1, math.ceil(duration_ms / interval))


def make_pictures(
    source: BinaryIO, duration_ms: int | None, tell: Callable[[float], None]
) -> dict[str, Any] | None:
    """Return the pictures of a film, or of a photo (no duration); None if the file does not open.

    The values are plain, for the parent process: JPEGs are in base64.
    """
    try:
        with open_media(source) as container:
            if duration_ms is None:
                thumbnail, strip = make_still_thumbnail(container), None
            else:
                length = max(1, duration_ms or (container.duration or 0) * 1000 // av.time_base)
                thumbnail, strip = make_film_pictures(container, length, throttle_reports(tell))
    except (EngineError, av.FFmpegError):
        return None
    return {
        "thumbnail": _encode_base64(thumbnail),
        "sprite": _encode_base64(strip.content) if strip else None,
        "sprite_description": strip.description() if strip else None,
    }


def _encode_base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def make_still_thumbnail(container: InputContainer) -> bytes | None:
    """Return the thumbnail of a picture, or None if it does not decode."""
    picture = find_picture(container, THUMBNAIL_SIDE)
    return None if picture is None else encode_jpeg(picture)


def make_film_pictures(
    container: InputContainer, duration_ms: int, progress: Callable[[float], None]
) -> tuple[bytes | None, Strip | None]:
    """Return thumbnail and strip; None where no frame could be decoded.

    A film that takes too long has no strip, and a thumbnail from its beginning.
    """
    interval_ms, count = compute_interval(duration_ms)
    times = [number * interval_ms / 1000 for number in range(count)]
    poster = Poster()
    tiles: list[Picture | None] = []
    began = time.process_time()

    def tick() -> None:
        progress(len(tiles) / count)

    for picture in iterate_pictures(container, times, THUMBNAIL_SIDE, tick):
        if picture is not None:
            poster.offer(picture)
        tiles.append(None if picture is None else _build_tile(picture))
        if time.process_time() - began > PICTURES_SECONDS:
            break
    if poster.best is None:
        return None, None
    strip = _build_strip(tiles, interval_ms) if len(tiles) == count else None
    return encode_jpeg(poster.best), strip


class Poster:
    """The choice of a film's thumbnail: the first picture with enough brightness and contrast."""

    def __init__(self) -> None:
        self.best: Picture | None = None
        self._contrast = -1.0

    def offer(self, picture: Picture) -> None:
        """Keep the picture if it is better than the previous ones."""
        if self._contrast == math.inf:
            return
        brightness = picture.mean(axis=-1)
        contrast = float(brightness.std())
        if contrast >= MIN_CONTRAST and float(brightness.mean()) >= MIN_BRIGHTNESS:
            contrast = math.inf
        if contrast > self._contrast:
            self.best, self._contrast = picture, contrast


def _build_tile(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    shrink = min(1.0, TILE_SIDE / max(width, height))
    small = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        width=max(2, round(width * shrink)), height=max(2, round(height * shrink)), format="rgb24"
    )
    return np.asarray(small.to_ndarray(), dtype=np.uint8)


def _build_strip(tiles: list[Picture | None], interval_ms: int) -> Strip:
    height, width = next(tile for tile in tiles if tile is not None).shape[:2]
    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    canvas = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, tile in enumerate(tiles):
        if tile is None:
            continue
        y, x = number // columns * height, number % columns * width
        # If the film changes its shape, later tiles are cropped to the first tile's shape.
        cropped = tile[:height, :width]
        canvas[y : y + cropped.shape[0], x : x + cropped.shape[1]] = cropped
    return Strip(encode_jpeg(canvas), width, height, columns, rows, len(tiles), interval_ms)


def encode_jpeg(picture: Picture) -> bytes:
    """Return the picture as a JPEG, padded to even sides."""
    height, width = (side + side % 2 for side in picture.shape[:2])
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qmin = encoder.qmax = JPEG_SCALE
    padded = np.pad(picture, [(0, height - len(picture)), (0, width - picture.shape[1]), (0, 0)])
    frame = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
