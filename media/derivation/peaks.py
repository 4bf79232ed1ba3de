"""Compute the waveform: the least and the greatest sample of each interval, as 8-bit numbers.

Only for use in the sandbox (`media.inspection`).
"""

import json
from collections.abc import Callable
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from gpu_tasks.mediakit.audio import RATE, Block, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.runtime.errors import EngineError
from media.derivation.progress import throttle_reports

MAX_PAIRS = 50_000
PAIRS_PER_SECOND = (100, 50, 20, 10, 5, 2, 1)
"""The rates: the highest with at most ``MAX_PAIRS`` is used. All divide the sample rate evenly."""


def choose_rate(duration_ms: int) -> int:
    """Return how many pairs a second has."""
    for rate in PAIRS_PER_SECOND:
        if duration_ms * rate <= MAX_PAIRS * 1000:
            return rate
    return PAIRS_PER_SECOND[-1]


def make_peaks(source: BinaryIO, duration_ms: int, tell: Callable[[float], None]) -> str | None:
    """Return the document of ``compute_peaks`` of an open file; None if no sound decodes."""
    try:
        with open_media(source) as container:
            length = max(1, duration_ms or (container.duration or 0) * 1000 // av.time_base)
            document = compute_peaks(container, length, throttle_reports(tell))
    except (EngineError, av.FFmpegError):
        return None
    return None if document is None else document.decode()


def compute_peaks(
    container: InputContainer, duration_ms: int, progress: Callable[[float], None]
) -> bytes | None:
    """Return the waveform of all channels as a JSON document; None if the sound does not decode.

    It has ``pairs_per_second``, ``length`` (in pairs) and ``data``: the least and the greatest
    sample (-128 to 127) alternately. Pair ``n`` begins at ``n / pairs_per_second`` seconds of the
    container's time.
    """
    rate = choose_rate(duration_ms)
    pairs = _Pairs(RATE // rate)
    try:
        for block in SoundTrack(container).blocks():
            pairs.add(block)
            progress(block.share)
    except EngineError:
        return None
    document: dict[str, Any] = {
        "version": 1,
        "pairs_per_second": rate,
        "length": pairs.length,
        "data": pairs.list_values(),
    }
    return json.dumps(document, separators=(",", ":")).encode()


class _Pairs:
    """The least and greatest sample of each interval of ``size`` samples; silence is 0 and 0."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._extremes: NDArray[np.int8] = np.zeros((MAX_PAIRS, 2), np.int8)
        self.length = 0

    def add(self, block: Block) -> None:
        """Add a block's samples; samples after ``MAX_PAIRS`` are ignored."""
        samples = block.samples[: max(0, MAX_PAIRS * self._size - block.start)]
        if not samples.size:
            return
        first, last = block.start // self._size, (block.start + samples.size - 1) // self._size
        starts = np.maximum(np.arange(first, last + 1) * self._size - block.start, 0)
        extremes = self._extremes[first : last + 1]
        minima, maxima = (
            (extreme.reduceat(samples, starts) >> 8).astype(np.int8)
            for extreme in (np.minimum, np.maximum)
        )
        np.minimum(extremes[:, 0], minima, out=extremes[:, 0])
        np.maximum(extremes[:, 1], maxima, out=extremes[:, 1])
        self.length = max(self.length, last + 1)

    def list_values(self) -> list[int]:
        values: list[int] = self._extremes[: self.length].reshape(-1).tolist()
        return values
