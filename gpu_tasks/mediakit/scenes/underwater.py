"""The depth of the sea: shafts of light, sand, weeds and bubbles."""

import cv2
import numpy as np

from gpu_tasks.mediakit.scenes.colours import Colour, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Backdrop, Element, Falling, Frames, Plane, View
from gpu_tasks.mediakit.scenes.noise import fractal, ridge
from gpu_tasks.mediakit.scenes.painting import (
    Sheet,
    Sketch,
    added,
    gradient,
    sheet_of,
)
from gpu_tasks.mediakit.scenes.sky import dithered


def elements(rng: np.random.Generator, view: View, own: Colour | None) -> list[Element]:
    """Blue depth, shafts of light, sand with weeds, bubbles."""
    top, deep = colour("4fc0d0"), colour("07304f")
    if own is not None:
        top, deep = mixed(own, colour("ffffff"), 0.35), own * np.float32(0.3)
    rows = np.linspace(0, 1, view.height, dtype=np.float32)[:, None]
    picture = gradient([(0, top), (0.35, mixed(top, deep, 0.5)), (1, deep)], rows)
    made: list[Element] = [Backdrop(dithered(rng, np.repeat(picture, view.width, axis=1)))]
    made.append(_shafts(rng, view))
    made += [_seabed(rng, view, deep, 0.66, 0.3), _seabed(rng, view, deep, 0.8, 0.75)]
    made += [_weed(rng, view, index) for index in range(11)]
    made.append(_bubbles(rng, view))
    return made


def _shafts(rng: np.random.Generator, view: View) -> Frames:
    columns, rows = max(16, view.broad // 4), max(16, view.height // 4)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, columns, dtype=np.float32)[None, :] * view.broad / view.height
    phases = rng.uniform(0, 6.3, 4)

    def paint(seconds: float) -> Sheet:
        ray = x - 0.34 * y
        wave = sum(
            np.sin(ray * f + p + seconds * s)
            for f, p, s in zip((5, 11, 17, 29), phases, (0.3, -0.4, 0.5, -0.7), strict=True)
        )
        light = np.clip(wave / 4, 0, 1) ** 1.3 * np.clip(1 - y * 1.15, 0, 1) ** 1.4
        return added(
            cv2.resize(light, (view.broad, view.height))[..., None]
            * colour("a8f0e8")
            * np.float32(0.75)
        )

    return Frames(paint, -view.margin, 0, 0.05)


def _seabed(rng: np.random.Generator, view: View, deep: Colour, at: float, near: float) -> Plane:
    top = round(view.height * at)
    rows = view.height - top
    line = ridge(rng, view.broad, cells=3, octaves=2)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None] - line[None, :] * 0.35
    grain = fractal(rng, rows, view.broad, cells=10, octaves=5, gain=0.65, stretch=3)
    sand = mixed(colour("c9b98c"), deep, 0.75 - 0.35 * near)
    rgb = gradient([(0, sand), (1, sand * np.float32(0.55))], down) * (0.8 + 0.4 * grain)[..., None]
    return Plane(view, sheet_of(rgb, np.clip(down * rows * 0.4, 0, 1)), top, near * 0.6, near)


def _weed(rng: np.random.Generator, view: View, index: int) -> Frames:
    size = round(view.height * rng.uniform(0.18, 0.42))
    tone = (colour("2f7f5a"), colour("4f9a4a"), colour("b0506a"), colour("d0803f"))[
        index % 4
    ] * np.float32(rng.uniform(0.6, 0.95))
    stalks = [(rng.uniform(0.2, 0.6), rng.uniform(0.5, 1.0), rng.uniform(0, 6.3)) for _ in range(5)]

    def paint(seconds: float) -> Sheet:
        sketch = Sketch(size, 0.8)
        for root, tall, phase in stalks:
            at = np.linspace(0, 1, 12)
            spine = [
                (root + 0.09 * s * np.sin(3.4 * s + phase + 1.3 * seconds), 1 - tall * s)
                for s in at
            ]
            sketch.line(spine, 0.034, tone)
            sketch.line(spine[: len(spine) // 2], 0.048, tone * np.float32(0.85))
        return sketch.done()

    left = (index + rng.uniform(0.1, 0.9)) / 11 * view.width - size * 0.4
    return Frames(paint, left, view.height * rng.uniform(0.95, 1.06) - size, 0.8)


def _bubbles(rng: np.random.Generator, view: View) -> Falling:
    size = view.height
    light = np.zeros((size, size), np.uint8)
    for x, y in rng.uniform(0.05, 0.95, (26, 2)) * size:
        reach = max(1.5, size * rng.uniform(0.004, 0.012))
        centre = (round(x * 16), round(y * 16))
        cv2.circle(light, centre, round(reach * 16), 120, max(1, size // 400), cv2.LINE_AA, 4)
        shine = (round((x - reach * 0.35) * 16), round((y - reach * 0.35) * 16))
        cv2.circle(light, shine, round(reach * 4), 200, -1, cv2.LINE_AA, 4)
    tile = np.stack([light, light, light, np.zeros_like(light)], axis=2)
    return Falling(tile, (0.0, -0.09 * size), 0.6, size * 0.01)
