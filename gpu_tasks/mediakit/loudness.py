"""Measuring how loud a sound is, and amplifying quiet speech.

Engines that recognise speech take quiet sound for silence: the voice activity detector misses
speech below some -50 dB of full scale. One gain is chosen for the whole sound, so that levels
within it keep their relation. Sound as steady as noise is not amplified.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Block, Samples

FRAME_SECONDS = 0.03
LOUD_SECONDS, LOUD_SHARE = 1.0, 0.1
"""How much of the sound counts as loud: these seconds, or this share if that is less."""
FLOOR_SHARE = 0.1
"""The share of the sound that is background, if nothing is cut out."""
SILENT_DB = -80
"""Frames below this are silence. All levels are relative to full scale."""
QUIET_DB, USUAL_DB = -30, -20
"""Loud speech is above the first level. If it is not, it is amplified to the second."""
MAX_GAIN_DB = 40
LEAST_RANGE_DB = 12
"""Difference between loud sound and background: speech has more, and noise less."""


class Meter:
    """The levels of a sound that is heard piece by piece; memory does not grow with its length."""

    def __init__(self, rate: int = RATE) -> None:
        self._frame = int(rate * FRAME_SECONDS)
        self._loud_frames = round(LOUD_SECONDS / FRAME_SECONDS)
        self._remainder = np.zeros(0, np.int16)
        self._counts = np.zeros(1 - SILENT_DB, np.int64)  # of frames, by decibels below full scale

    def measure(self, samples: Samples) -> None:
        """Measure the next samples; gaps count for nothing."""
        pending = np.concatenate([self._remainder, samples])
        end = pending.size - pending.size % self._frame
        self._remainder = pending[end:]
        frames = pending[:end].reshape(-1, self._frame).astype(np.float64) / 32768
        below = np.rint(-10 * np.log10((frames**2).mean(axis=1) + 1e-12)).astype(int)
        np.add.at(self._counts, below[below <= -SILENT_DB].clip(min=0), 1)

    @property
    def is_silent(self) -> bool:
        """Return whether there has been nothing to hear."""
        return not self._counts.any()

    @property
    def is_loud_enough(self) -> bool:
        """Return whether enough of it is as loud as speech, which cannot change any more."""
        return bool(self._counts[: 1 - QUIET_DB].sum() >= self._loud_frames)

    @property
    def gain(self) -> float:
        """Return the factor by which its samples are to be multiplied."""
        if self.is_silent or self.is_loud_enough:
            return 1.0
        total = self._counts.sum()
        loud = self._get_level(min(self._loud_frames, LOUD_SHARE * total))
        if loud >= QUIET_DB or loud - self._get_level((1 - FLOOR_SHARE) * total) < LEAST_RANGE_DB:
            return 1.0
        return float(10 ** (min(USUAL_DB - loud, MAX_GAIN_DB) / 20))

    def _get_level(self, count: float) -> int:
        """Return the level that ``count`` frames reach."""
        return -int(np.searchsorted(self._counts.cumsum(), count))


def amplify(blocks: Iterable[Block], gain: float) -> Iterator[Block]:
    """Yield the blocks with their samples multiplied."""
    for block in blocks:
        if gain == 1:
            yield block
        else:
            samples = np.clip(np.rint(block.samples * gain), -32768, 32767).astype(np.int16)
            yield replace(block, samples=samples)


def amplify_if_quiet(blocks: Sequence[Block], rate: int = RATE) -> list[Block]:
    """Return all the blocks of a sound, amplified if it is quiet."""
    meter = Meter(rate)
    for block in blocks:
        meter.measure(block.samples)
    return list(amplify(blocks, meter.gain))
