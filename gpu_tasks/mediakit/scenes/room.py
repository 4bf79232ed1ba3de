"""A room: wall, window, floor, and the light that falls in."""

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.colours import Colour, Light, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Backdrop, Element, Plane, Sprite, View
from gpu_tasks.mediakit.scenes.flow import PALETTES
from gpu_tasks.mediakit.scenes.noise import fractal, ridge
from gpu_tasks.mediakit.scenes.painting import (
    FINER,
    Sheet,
    Sketch,
    added,
    gradient,
    sheet_of,
    shrunk,
)
from gpu_tasks.mediakit.scenes.sky import dithered

WALLS = (colour("d9c9ae"), colour("9fb0a8"), colour("c4a08a"))


def elements(
    rng: np.random.Generator, view: View, light: Light, own: Colour | None
) -> list[Element]:
    """A wall with a window and a picture, a floor of boards, and the window's light on it."""
    dim = mixed(light.tint, colour("ffe2b8"), 0.5) / 255 if light.dark else light.tint / 255
    wall = own if own is not None else WALLS[rng.integers(len(WALLS))]
    height = round(view.height * 0.52)
    left, top = view.width * 0.3 - height * 0.4, view.height * 0.1
    picture, plant = _picture(rng, round(view.height * 0.24), dim), _plant(rng, view, dim)
    return [
        Backdrop(_wall(rng, view, wall * dim)),
        _boards(rng, view, dim),
        Sprite(_window(rng, height, light), left, top, 0.1),
        _shine(view, light, left, height),
        Sprite(picture, view.width * 0.66, view.height * 0.17, 0.1),
        Sprite(plant, view.width * 0.8, view.height * 0.49, 0.5),
    ]


def _wall(rng: np.random.Generator, view: View, own: Colour) -> Frame:
    rows = np.linspace(0, 1, view.height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, view.width, dtype=np.float32)[None, :]
    shade = 1 - 0.28 * (columns + 0.25) ** 2
    grain = fractal(rng, view.height, view.width, cells=120, octaves=2)
    tone = gradient([(0, own * 0.86), (1, own)], rows)
    return dithered(rng, tone * (shade * (0.98 + 0.04 * grain))[..., None])


def _boards(rng: np.random.Generator, view: View, dim: Colour) -> Plane:
    rows = view.height - view.horizon
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    x = (np.arange(view.broad, dtype=np.float32) - view.broad / 2)[None, :] / view.height
    board = x / (0.35 + down) * 5
    tones = rng.uniform(0.82, 1.08, 64).astype(np.float32)[np.floor(board).astype(int) % 64]
    seam = np.clip(np.abs(board - np.round(board)) * 14 * (0.4 + down), 0.55, 1)
    fibre = fractal(rng, rows, view.broad, cells=3, octaves=5, gain=0.7, stretch=0.25)
    rgb = (
        colour("9a6b45")
        * dim
        * (tones * seam * (0.86 + 0.28 * fibre) * (0.72 + 0.34 * down))[..., None]
    )
    rgb[: max(2, rows // 14)] = colour("efe6d8") * dim * 0.85
    return Plane(
        view,
        sheet_of(rgb.astype(np.float32), np.ones(rgb.shape[:2], np.float32)),
        view.horizon,
        0.1,
        1.0,
    )


def _window(rng: np.random.Generator, height: int, light: Light) -> Sheet:
    size, width = height * FINER, round(height * 0.8) * FINER
    at = np.linspace(0, 1.1, size, dtype=np.float32)[:, None]
    view = gradient(list(zip((0.0, 0.4, 0.75, 1.0), light.sky, strict=True)), at)
    view = np.repeat(view, width, axis=1)
    heights = fractal(rng, size, width, cells=2.2, octaves=5, stretch=2)
    white = np.clip((heights - 0.55) * 3, 0, 0.8)[..., None]
    view = view * (1 - white) + mixed(colour("ffffff") * light.tint / 255, light.sun, 0.3) * white
    hills = 0.8 - 0.1 * ridge(rng, width, cells=3, octaves=2)[None, :]
    far = np.clip((at - hills) * size / 4, 0, 1)[..., None]
    view = view * (1 - far) + light.lit(colour("5f8a50"), 0.3) * far
    sheet = sheet_of(view, np.ones((size, width), np.float32))
    frame = tuple(
        float(one) for one in np.clip(colour("f2eee6") * np.maximum(light.tint, 150) / 255, 0, 255)
    )
    bar = size // 26
    cv2.rectangle(sheet, (0, 0), (width - 1, size - 1), (*frame, 255.0), bar * 2)
    cv2.line(sheet, (width // 2, 0), (width // 2, size), (*frame, 255.0), bar)
    cv2.line(sheet, (0, round(size * 0.42)), (width, round(size * 0.42)), (*frame, 255.0), bar)
    return shrunk(sheet)


def _shine(view: View, light: Light, left: float, height: int) -> Sprite:
    rows, columns = view.height - view.horizon, round(height * 1.5)
    mask = np.zeros((rows, columns), np.float32)
    for start in (0.0, 0.5):
        a, b = start * height * 0.8, (start + 0.42) * height * 0.8
        slant = rows * 0.8
        corners = np.array(
            [(a, rows * 0.1), (b, rows * 0.1), (b + slant, rows * 0.85), (a + slant, rows * 0.85)]
        )
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), rows / 24)[..., None]
    strength = 0.16 if light.dark else 0.34
    return Sprite(
        added(soft * light.sun * np.float32(strength)), left + height * 0.1, view.horizon, 0.5
    )


def _picture(rng: np.random.Generator, height: int, dim: Colour) -> Sheet:
    sketch = Sketch(height, 0.8)
    tones = [colour(code) * dim for code in PALETTES[rng.integers(len(PALETTES))]]
    sketch.rectangle((0.0, 0.0), (0.8, 1.0), colour("4a382c") * dim)
    sketch.rectangle((0.05, 0.05), (0.75, 0.95), colour("f4efe4") * dim)
    sketch.rectangle((0.13, 0.13), (0.67, 0.87), tones[3])
    sketch.ellipse((0.45, 0.38), (0.13, 0.13), tones[2])
    sketch.polygon([(0.13, 0.87), (0.13, 0.6), (0.3, 0.5), (0.67, 0.72), (0.67, 0.87)], tones[1])
    sketch.polygon([(0.13, 0.87), (0.13, 0.75), (0.67, 0.62), (0.67, 0.87)], tones[0])
    return sketch.done()


def _plant(rng: np.random.Generator, view: View, dim: Colour) -> Sheet:
    sketch = Sketch(round(view.height * 0.46), 0.9)
    leaf = colour("4a7f4a") * dim
    for index, angle in enumerate(np.linspace(-2.7, -0.45, 11)):
        reach = rng.uniform(0.34, 0.52)
        tip = (0.45 + np.cos(angle) * reach * 0.75, 0.66 + np.sin(angle) * reach)
        middle = ((0.45 + tip[0]) / 2, (0.66 + tip[1]) / 2)
        sketch.line([(0.45, 0.7), tip], 0.012, leaf * np.float32(0.7))
        sketch.ellipse(
            middle, (reach * 0.5, 0.055), leaf * np.float32(0.8 + 0.05 * (index % 5)),
            angle=float(np.degrees(np.arctan2(tip[1] - 0.66, tip[0] - 0.45))),
        )  # fmt: skip
    sketch.polygon([(0.29, 0.68), (0.61, 0.68), (0.56, 0.99), (0.34, 0.99)], colour("c07850") * dim)
    sketch.rectangle((0.27, 0.66), (0.63, 0.73), colour("d08a5f") * dim)
    return sketch.done()
