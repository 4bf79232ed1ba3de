"""The One-Euro filter: steady where little moves, prompt where much does (Casiez et al. 2012)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Smoothing:
    """How much is smoothed: values in a unit of the caller's, times in seconds."""

    cutoff: float = 2.0
    """Hertz, of what stands still."""
    promptness: float = 40.0
    """How many hertz more for each unit a second that it moves."""
    speed_cutoff: float = 2.0
    """Hertz, of the speed itself."""


class OneEuro:
    """Smooths arrays of one shape, one for each frame."""

    def __init__(self, frame_rate: float, smoothing: Smoothing) -> None:
        self._rate = frame_rate
        self._smoothing = smoothing
        self._value: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Forget what was: the next value is taken as it is."""
        self._value = self._speed = None

    def __call__(self, value: NDArray[np.floating]) -> NDArray[np.float64]:
        """The value of the next frame, smoothed."""
        new = np.asarray(value, np.float64)
        if self._value is None or self._speed is None:
            self._value, self._speed = new, np.zeros_like(new)
            return new
        moved = (new - self._value) * self._rate
        share = self._share(np.asarray(self._smoothing.speed_cutoff))
        self._speed = self._speed + share * (moved - self._speed)
        cutoff = self._smoothing.cutoff + self._smoothing.promptness * np.abs(self._speed)
        self._value = self._value + self._share(cutoff) * (new - self._value)
        return self._value

    def _share(self, cutoff: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = 2 * np.pi * cutoff / self._rate
        share: NDArray[np.float64] = steps / (1 + steps)
        return share
