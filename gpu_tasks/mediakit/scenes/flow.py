"""Pictures of nothing but colour."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.colours import Colour, colour, mixed
from gpu_tasks.mediakit.scenes.elements import View
from gpu_tasks.mediakit.scenes.noise import Field
from gpu_tasks.mediakit.scenes.painting import (
    gradient,
)

PALETTES = (
    ("0f1b3d", "3f5fb0", "f0786a", "ffd9a0"), ("12302f", "2f8f7f", "e8c86a", "f6f0da"),
    ("2a1038", "9a3f8f", "ff8a5f", "ffe3b0"), ("101820", "2f6f9f", "8fd0d8", "f2f6ea"),
)  # fmt: skip
FLOW_ROWS = 216
"""Pictures of nothing but colour have no fine detail: they are reckoned in so many rows."""


@dataclass
class Flow:
    """Colours that flow into each other, by noise bent with noise (domain warping)."""

    view: View
    rng: np.random.Generator
    colours: Sequence[Colour]
    _grid: tuple[Field, Field] = field(init=False)
    _phases: NDArray[np.float64] = field(init=False)
    _table: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        columns = round(FLOW_ROWS * self.view.width / self.view.height)
        y, x = np.mgrid[:FLOW_ROWS, :columns].astype(np.float32) / FLOW_ROWS
        self._grid = (x, y)
        self._phases = self.rng.uniform(0, 6.3, 10)
        tones = list(self.colours)
        if len(tones) < 3:
            codes = PALETTES[self.rng.integers(len(PALETTES))]
            own = tones or [colour(code) for code in codes]
            dark, pale = own[0] * np.float32(0.3), mixed(own[-1], colour("ffffff"), 0.65)
            tones = own if not tones else [dark, *own, pale]
        tones = [*tones, *tones[-2:0:-1]]
        at = np.linspace(0, 1, 256, dtype=np.float32)
        stops = [(index / len(tones), tone) for index, tone in enumerate([*tones, tones[0]])]
        self._table = gradient(stops, at).astype(np.uint8)

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Bend the plane three times, and colour what comes out."""
        p = self._phases
        x, y = self._grid[0] + np.float32(pan / self.view.height), self._grid[1]
        t = seconds * 0.35
        for index, scale in enumerate((2.1, 3.4, 5.2)):
            dx = np.sin(scale * y + p[index] + t) + 0.5 * np.sin(scale * 1.7 * x + p[index + 3] - t)
            dy = np.cos(scale * x + p[index + 5] - 0.8 * t) + 0.5 * np.sin(
                scale * 1.3 * y + p[index + 7] + t
            )
            x, y = x + dx.astype(np.float32) / scale * 0.8, y + dy.astype(np.float32) / scale * 0.8
        value = 0.5 + 0.35 * np.sin(2.6 * x + p[8]) + 0.3 * np.sin(3.1 * y + p[9] + 0.5 * t)
        smooth = cv2.resize(
            value.astype(np.float32),
            (canvas.shape[1], canvas.shape[0]),
            interpolation=cv2.INTER_CUBIC,
        )
        relief = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, ksize=3) * np.float32(canvas.shape[0] * 1.4)
        rgb = self._table[np.round(smooth * 255).astype(np.int32) % 256].astype(np.float32)
        canvas[:] = np.clip(rgb * (1 + np.clip(relief, -0.25, 0.25))[..., None], 0, 255).astype(
            np.uint8
        )
