"""Films whose frames tell which they are: twelve blocks, black or white, say source and number."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit import ffmpeg

WIDTH, HEIGHT = 96, 48
COLUMNS, ROWS = 6, 2
NUMBER_BITS = 9
"""The other three say the source, of which 0 is black."""
MAX_FRAMES = 2**NUMBER_BITS

Levels = NDArray[np.float64]


def levels_of(source: int, number: int) -> Levels:
    """How bright each block is, 0 to 1."""
    code = source << NUMBER_BITS | number
    return np.array([code >> bit & 1 for bit in range(COLUMNS * ROWS)], np.float64)


def picture_of(source: int, number: int) -> NDArray[np.uint8]:
    """Return a frame."""
    blocks = (levels_of(source, number).reshape(ROWS, COLUMNS) * 255).astype(np.uint8)
    return blocks.repeat(HEIGHT // ROWS, axis=0).repeat(WIDTH // COLUMNS, axis=1)


def read_levels(picture: NDArray[np.uint8]) -> Levels:
    """Return the middles of the blocks of a frame of any size."""
    height, width = picture.shape[0] // ROWS, picture.shape[1] // COLUMNS
    blocks = picture[: height * ROWS, : width * COLUMNS].reshape(ROWS, height, COLUMNS, width)
    inner = blocks[:, height // 4 : -(height // 4), :, width // 4 : -(width // 4)]
    levels: Levels = inner.mean(axis=(1, 3)).reshape(-1) / 255
    return levels


def read_code(levels: Levels) -> tuple[int, int]:
    """Source and number."""
    code = sum(1 << bit for bit, level in enumerate(levels) if level > 0.5)
    return code >> NUMBER_BITS, code % MAX_FRAMES


def make_coded(
    path: Path, source: int, rate: str, seconds: float, extra: tuple[str, ...] = ()
) -> Path:
    """Return a film of coded frames, with B-frames and one key frame in ten seconds."""
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", rate]
    encode = ["-c:v", "libx264", "-preset", "fast", "-bf", "3", "-g", "250", "-pix_fmt", "yuv420p"]
    filters = ["-vf", "scale=out_range=tv:out_color_matrix=bt709", *encode]
    with ffmpeg.write_input([*raw, "-i", "pipe:0", *filters, *extra, path]) as sink:
        for number in range(int(seconds * Fraction(rate))):
            sink.write(picture_of(source, number).tobytes())
    return path


def read_film(path: Path) -> list[Levels]:
    """Return the levels of every frame; full range."""
    with av.open(str(path)) as container:
        return [
            (read_levels(frame.to_ndarray(format="gray")[:, :]))
            for frame in container.decode(video=0)
        ]
