"""A fire: logs in flames, and the light that they throw around."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from gpu_tasks.mediakit.scenes.colours import colour
from gpu_tasks.mediakit.scenes.elements import Frames, Sprite
from gpu_tasks.mediakit.scenes.noise import Field, tileable
from gpu_tasks.mediakit.scenes.painting import Point, Sheet, Sketch, glow, gradient, sheet_of

ROWS, COLUMNS = 96, 72
"""Flames have no fine detail: they are reckoned in so many points."""
TILE = 256
RISING = ((1.4, 1.1, 150.0), (2.3, 1.7, 230.0))
"""Two textures: their scales, across and down, and how fast they rise, in points a second."""
HEAT = (
    (0.0, colour("2a0a04")),
    (0.25, colour("b8300c")),
    (0.5, colour("f58a1e")),
    (0.78, colour("ffd75a")),
    (1.0, colour("fff6d8")),
)
NEAR = 0.7


def fire(rng: np.random.Generator, place: Point, size: int) -> list[Frames | Sprite]:
    """A fire of a height in pixels, whose foot is at ``place``."""
    around = glow(round(size * 2.1), colour("ff8a35"), 0.62, falloff=2.6)

    def flickering(seconds: float) -> Sheet:
        factor = 0.8 + 0.14 * np.sin(9.1 * seconds) + 0.06 * np.sin(23.7 * seconds)
        return np.asarray(cv2.convertScaleAbs(around, alpha=factor), np.uint8)

    x, y = place
    half = around.shape[0] / 2
    wood = _logs(round(size * 0.3))
    flames = Flames(rng, size)
    return [
        Sprite(wood, x - wood.shape[1] / 2, y - wood.shape[0] * 0.7, NEAR),
        Frames(flickering, x - half, y - size * 0.4 - half, NEAR),
        Frames(flames.at, x - size * 3 / 8, y - size, NEAR),
    ]


def _logs(height: int) -> Sheet:
    sketch = Sketch(height, 3.0)
    for angle, tone in ((12, "3a2418"), (-14, "4a2f1f"), (3, "5a3a26")):
        sketch.ellipse((1.5, 0.55), (1.15, 0.17), colour(tone), angle=angle)
    return sketch.done()


@dataclass
class Flames:
    """A body of heat that two rising textures eat away from above."""

    rng: np.random.Generator
    size: int
    _noise: Field = field(init=False)

    def __post_init__(self) -> None:
        self._noise = tileable(self.rng, TILE, cells=8)

    def at(self, seconds: float) -> Sheet:
        """The flames at a time."""
        up = np.linspace(1, 0, ROWS, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, COLUMNS, dtype=np.float32)[None, :]
        bend, eaten = (self._risen(*how, seconds) for how in RISING)
        wide = 0.06 + 0.86 * np.clip(1 - up, 0, 1) ** 0.75 * np.clip(up * 5 + 0.5, 0, 1)
        body = np.clip(1 - np.abs(x + (bend - 0.5) * 0.55 * up) / wide, 0, 1) ** 0.7
        heat = np.clip(body * 1.5 - (0.25 + 1.15 * up) * eaten, 0, 1)
        heat = heat * np.minimum(1.15 - 0.5 * up, 5 * (1 - up))  # out before the upper edge
        sheet = sheet_of(gradient(HEAT, heat), np.clip(heat * 3.2, 0, 1))
        size = (self.size * COLUMNS // ROWS, self.size)
        return np.asarray(cv2.resize(sheet, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    def _risen(self, across: float, down: float, speed: float, seconds: float) -> Field:
        rows, columns = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
        place = (columns * across, rows * down + np.float32(speed * seconds % TILE))
        wrapped = cv2.remap(self._noise, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return np.asarray(wrapped, np.float32)
