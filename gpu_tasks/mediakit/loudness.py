"""How loud a sound is where it is loud, and by how much quiet speech is lifted to be heard.

Engines that listen take what is quiet for silence: the voice activity detector misses speech below
some 50 dB under full scale. One gain is chosen for the whole, so that levels within stay as they
are; what is as steady as noise is not lifted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Block, Samples

FRAME_SECONDS = 0.03
LOUD_SECONDS, LOUD_SHARE = 1.0, 0.1
"""So much of the sound, or such a share where that is less, is what is loud in it."""
FLOOR_SHARE = 0.1
"""So much of it is what lies behind what is said, where nothing is cut out of it."""
SILENT_DB = -80
"""Frames below this are silence; all levels are of full scale."""
QUIET_DB, USUAL_DB = -30, -20
"""What is loud in a recording of speech is above the one, and is lifted to the other if not."""
MAX_GAIN_DB = 40
LEAST_RANGE_DB = 12
"""Between what is loud and what is behind: speech has more, and noise less."""


class Meter:
    """Levels of a sound that is heard piece by piece; memory does not grow with its length."""

    def __init__(self, rate: int = RATE) -> None:
        self._frame = int(rate * FRAME_SECONDS)
        self._enough = round(LOUD_SECONDS / FRAME_SECONDS)
        self._rest = np.zeros(0, np.int16)
        self._counts = np.zeros(1 - SILENT_DB, np.int64)  # of frames, by decibels below full scale

    def hear(self, samples: Samples) -> None:
        """Measure what comes next; gaps count for nothing."""
        pending = np.concatenate([self._rest, samples])
        whole = pending.size - pending.size % self._frame
        self._rest = pending[whole:]
        frames = pending[:whole].reshape(-1, self._frame).astype(np.float64) / 32768
        below = np.rint(-10 * np.log10((frames**2).mean(axis=1) + 1e-12)).astype(int)
        np.add.at(self._counts, below[below <= -SILENT_DB].clip(min=0), 1)

    @property
    def is_silent(self) -> bool:
        """Whether there has been nothing at all to hear."""
        return not self._counts.any()

    @property
    def is_usual(self) -> bool:
        """Whether enough of it is as loud as speech is: what follows will not change that."""
        return bool(self._counts[: 1 - QUIET_DB].sum() >= self._enough)

    @property
    def gain(self) -> float:
        """By what its samples are to be multiplied."""
        if self.is_silent or self.is_usual:
            return 1.0
        total = self._counts.sum()
        loud = self._level(min(self._enough, LOUD_SHARE * total))
        if loud >= QUIET_DB or loud - self._level((1 - FLOOR_SHARE) * total) < LEAST_RANGE_DB:
            return 1.0
        return float(10 ** (min(USUAL_DB - loud, MAX_GAIN_DB) / 20))

    def _level(self, count: float) -> int:
        """Which level so many frames reach."""
        return -int(np.searchsorted(self._counts.cumsum(), count))


def louder(blocks: Iterable[Block], gain: float) -> Iterator[Block]:
    """The blocks with their samples multiplied."""
    for block in blocks:
        if gain == 1:
            yield block
        else:
            samples = np.clip(np.rint(block.samples * gain), -32768, 32767).astype(np.int16)
            yield replace(block, samples=samples)


def lifted(blocks: Sequence[Block], rate: int = RATE) -> list[Block]:
    """All the blocks of a sound, lifted where it is quiet."""
    meter = Meter(rate)
    for block in blocks:
        meter.hear(block.samples)
    return list(louder(blocks, meter.gain))
