"""The waveform: the least and the greatest sample of each stretch, as 8-bit numbers.

Only for the sandbox (`media.inspection`).
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
from media.derivation.progress import throttled

MAX_PAIRS = 50_000
PAIRS_PER_SECOND = (100, 50, 20, 10, 5, 2, 1)
"""The finest that makes no more than ``MAX_PAIRS`` is taken; all divide the samples evenly."""


def rate_of(duration_ms: int) -> int:
    """How many pairs a second has."""
    for rate in PAIRS_PER_SECOND:
        if duration_ms * rate <= MAX_PAIRS * 1000:
            return rate
    return PAIRS_PER_SECOND[-1]


def make(source: BinaryIO, duration_ms: int, tell: Callable[[float], None]) -> str | None:
    """The document of ``peaks``, of an open file; None where there is no sound that decodes."""
    try:
        with open_media(source) as container:
            length = max(1, duration_ms or (container.duration or 0) * 1000 // av.time_base)
            document = peaks(container, length, throttled(tell))
    except (EngineError, av.FFmpegError):
        return None
    return None if document is None else document.decode()


def peaks(
    container: InputContainer, duration_ms: int, progress: Callable[[float], None]
) -> bytes | None:
    """A JSON document: ``pairs_per_second``, ``length`` (pairs) and ``data``, least and greatest
    (-128 to 127) in turn, of all channels together; None if the sound does not decode.

    Pair ``n`` begins at ``n / pairs_per_second`` seconds of the container's time.
    """
    rate = rate_of(duration_ms)
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
        "data": pairs.data(),
    }
    return json.dumps(document, separators=(",", ":")).encode()


class _Pairs:
    """Least and greatest of each stretch of ``size`` samples; silence is 0 and 0."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._extremes: NDArray[np.int8] = np.zeros((MAX_PAIRS, 2), np.int8)
        self.length = 0

    def add(self, block: Block) -> None:
        """Count a block's samples in; what lies past ``MAX_PAIRS`` is left out."""
        samples = block.samples[: max(0, MAX_PAIRS * self._size - block.start)]
        if not samples.size:
            return
        first, last = block.start // self._size, (block.start + samples.size - 1) // self._size
        starts = np.maximum(np.arange(first, last + 1) * self._size - block.start, 0)
        found = self._extremes[first : last + 1]
        least, greatest = (
            (extreme.reduceat(samples, starts) >> 8).astype(np.int8)
            for extreme in (np.minimum, np.maximum)
        )
        np.minimum(found[:, 0], least, out=found[:, 0])
        np.maximum(found[:, 1], greatest, out=found[:, 1])
        self.length = max(self.length, last + 1)

    def data(self) -> list[int]:
        found: list[int] = self._extremes[: self.length].reshape(-1).tolist()
        return found
