"""The One-Euro filter: steady for slow values, prompt for fast ones (Casiez et al. 2012)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Smoothing:
    """The strength of smoothing, with values in a unit of the caller's and times in seconds."""

    cutoff: float = 2.0
    """Cutoff frequency in hertz for values that stand still."""
    promptness: float = 40.0
    """Hertz added to the cutoff for each unit per second of speed."""
    speed_cutoff: float = 2.0
    """Cutoff frequency in hertz for the speed itself."""


class OneEuro:
    """A smoothing filter for arrays of one shape, one for each frame."""

    def __init__(self, frame_rate: float, smoothing: Smoothing) -> None:
        self._rate = frame_rate
        self._smoothing = smoothing
        self._value: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Forget the previous values; the next value is returned unchanged."""
        self._value = self._speed = None

    def __call__(self, value: NDArray[np.floating]) -> NDArray[np.float64]:
        """Smooth the value of the next frame."""
        new = np.asarray(value, np.float64)
        if self._value is None or self._speed is None:
            self._value, self._speed = new, np.zeros_like(new)
            return new
        speed = (new - self._value) * self._rate
        share = self._compute_share(np.asarray(self._smoothing.speed_cutoff))
        self._speed = self._speed + share * (speed - self._speed)
        cutoff = self._smoothing.cutoff + self._smoothing.promptness * np.abs(self._speed)
        self._value = self._value + self._compute_share(cutoff) * (new - self._value)
        return self._value

    def _compute_share(self, cutoff: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = 2 * np.pi * cutoff / self._rate
        share: NDArray[np.float64] = steps / (1 + steps)
        return share
