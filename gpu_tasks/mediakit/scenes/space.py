"""Space: stars before clouds of gas, and planets."""

import numpy as np

from gpu_tasks.mediakit.scenes.colours import Colour, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Backdrop, Element, Sprite, View
from gpu_tasks.mediakit.scenes.noise import Field, fractal
from gpu_tasks.mediakit.scenes.painting import (
    Point,
    Sheet,
    gradient,
    sheet_of,
)
from gpu_tasks.mediakit.scenes.sky import centred, dithered, stars

NEBULAE = (
    ("2b1a5e", "a03f9e", "f08a7a"),
    ("0f2f5e", "2f7fa8", "8fe0d0"),
    ("3a1030", "c0453f", "f5b060"),
)
PLANETS = (("d8a56a", "8a4f35"), ("7fb4d8", "2f5f9e"), ("c8b8a0", "6f5f70"), ("e07a4f", "8f3a2a"))


def elements(rng: np.random.Generator, view: View, own: Colour | None) -> list[Element]:
    """Stars before clouds of gas."""
    rows, columns = view.height, view.width
    deep, gas, core = (colour(code) for code in NEBULAE[rng.integers(len(NEBULAE))])
    if own is not None:
        deep, gas, core = (
            own * np.float32(0.28),
            own * np.float32(0.8),
            mixed(own, colour("ffffff"), 0.5),
        )
    thick = fractal(rng, rows, columns, cells=1.6, octaves=6, stretch=1.4)
    veins = fractal(rng, rows, columns, cells=2.4, octaves=6, gain=0.6)
    slope = np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None]
    across = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None, :]
    band = np.exp(-(((slope + across * rng.uniform(-0.7, 0.7)) * 3.2) ** 2))
    density = np.clip(band * 1.15 * thick + 0.25 * thick - 0.28 * veins, 0, 1)
    stops = [(0.0, colour("04050d")), (0.3, deep), (0.62, gas * np.float32(0.72)), (1.0, core)]
    made: list[Element] = [Backdrop(dithered(rng, gradient(stops, density)))]
    made += stars(rng, view, rows=rows, density=2.4)
    return made


def planet(rng: np.random.Generator, place: Point, radius: int, own: Colour | None) -> Sprite:
    """A banded ball, lit from the left, some with a ring."""
    size = radius * 4
    y, x = (np.mgrid[:size, :size].astype(np.float32) - size / 2 + 0.5) / radius
    distance = np.sqrt(x**2 + y**2)
    depth = np.sqrt(np.clip(1 - distance**2, 0, 1))
    rough = fractal(rng, size, size, cells=7, octaves=5, stretch=5)
    bands = fractal(rng, size, size, cells=12, octaves=4, stretch=60)
    one, other = (colour(code) for code in PLANETS[rng.integers(len(PLANETS))])
    if own is not None:
        one, other = own, own * np.float32(0.6)
    tone = gradient([(0.2, other), (0.8, one)], 0.65 * bands + 0.35 * rough)
    light = np.clip(-0.62 * x - 0.42 * y + 0.66 * depth, 0.03, 1)
    rim = (
        np.clip((distance - 0.8) * 3, 0, 1)[..., None]
        * mixed(one, colour("dfefff"), 0.6)
        * light[..., None]
    )
    sheet = sheet_of(
        tone * light[..., None] + 0.35 * rim, np.clip((1 - distance) * radius + 0.5, 0, 1)
    )
    if rng.random() < 0.6:
        _ring(sheet, x, y, distance, one)
    return centred(sheet, place, 0.12)


def _ring(
    sheet: Sheet,
    x: Field,
    y: Field,
    distance: Field,
    own: Colour,
) -> None:
    turned = y + 0.25 * x
    far = np.sqrt(x**2 + (turned * 3.6) ** 2)
    stripes = 0.55 + 0.35 * np.sin(far * 34) * np.sin(far * 13)
    opacity = np.clip((far - 1.35) * 30, 0, 1) * np.clip((1.92 - far) * 30, 0, 1) * stripes
    opacity = np.where((distance < 1) & (turned < 0), 0, opacity).astype(np.float32)
    ring = sheet_of(np.broadcast_to(mixed(own, colour("fff2dc"), 0.45), (*x.shape, 3)), opacity)
    through = (255 - ring[..., 3:]).astype(np.float32) / 255
    sheet[:] = np.clip(sheet * through + ring, 0, 255).astype(np.uint8)
