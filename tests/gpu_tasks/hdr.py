"""HDR made from standard colours by the formulas of ITU-R BT.2100, with white at 203 nits."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit import ffmpeg

Floats = NDArray[np.float64]

PQ, HLG = 16, 18
NAMES = {PQ: "smpte2084", HLG: "arib-std-b67"}
PATCHES = np.array(
    [
        (0, 0, 0),
        (40, 40, 40),
        (118, 118, 118),
        (188, 178, 170),
        (200, 150, 120),
        (30, 200, 60),
        (20, 40, 220),
        (255, 23, 0),
        (235, 235, 235),
        (255, 255, 255),
    ],
    np.float64,
)
"""Red, green and blue, of 255."""
SIDE = 16
REC709_TO_2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


def light_of(colours: Floats) -> Floats:
    """Linear light of standard colours, white 1 (ITU-R BT.1886)."""
    return (colours / 255) ** 2.4


def signal_of(light: Floats, transfer: int) -> Floats:
    """Return the signal, 0 to 1, of Rec. 709 light in multiples of white."""
    nits = np.maximum(203 * light @ REC709_TO_2020.T, 0)
    if transfer == PQ:
        root = (nits / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375
    visible = nits / 1000
    luminance = np.maximum(visible @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
    scene = visible * luminance ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def hdr_film(path: Path, light: Floats, transfer: int) -> Path:
    """Make a Matroska film of two frames, with a square of each light."""
    signal = signal_of(light, transfer).repeat(SIDE, axis=0)[None].repeat(SIDE, axis=0)
    name = NAMES[transfer]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", f"{signal.shape[1]}x{SIDE}"]
    filters = "scale=out_color_matrix=bt2020nc:out_range=tv,format=yuv444p10le"
    filters += f",setparams=color_primaries=bt2020:color_trc={name}:colorspace=bt2020nc"
    with ffmpeg.write_input([*raw, "-i", "pipe:0", "-vf", filters, "-c:v", "ffv1", path]) as sink:
        for _ in range(2):
            sink.write((signal * 65535 + 0.5).astype("<u2").tobytes())
    return path


def shown(frame: NDArray[np.uint8]) -> Floats:
    """Return the colours in the middles of the squares."""
    return frame[frame.shape[0] // 2, SIDE // 2 :: SIDE].astype(np.float64)
