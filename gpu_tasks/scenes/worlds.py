"""Places without a sky: space, the sea's depth, a room, and pictures of nothing but colour."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.film import Frame
from gpu_tasks.scenes.colours import Colour, Light, colour, mixed
from gpu_tasks.scenes.elements import Backdrop, Element, Falling, Frames, Plane, Sprite, View
from gpu_tasks.scenes.noise import fractal
from gpu_tasks.scenes.painting import (
    FINER,
    Point,
    Sheet,
    Sketch,
    added,
    glow,
    gradient,
    sheet_of,
    shrunk,
)
from gpu_tasks.scenes.sky import centred, dithered, stars

NEBULAE = (
    ("2b1a5e", "a03f9e", "f08a7a"),
    ("0f2f5e", "2f7fa8", "8fe0d0"),
    ("3a1030", "c0453f", "f5b060"),
)
PLANETS = (("d8a56a", "8a4f35"), ("7fb4d8", "2f5f9e"), ("c8b8a0", "6f5f70"), ("e07a4f", "8f3a2a"))
PALETTES = (
    ("0f1b3d", "3f5fb0", "f0786a", "ffd9a0"), ("12302f", "2f8f7f", "e8c86a", "f6f0da"),
    ("2a1038", "9a3f8f", "ff8a5f", "ffe3b0"), ("101820", "2f6f9f", "8fd0d8", "f2f6ea"),
)  # fmt: skip
FLOW_ROWS = 216
"""Pictures of nothing but colour have no fine detail: they are reckoned in so many rows."""


def space(rng: np.random.Generator, view: View, own: Colour | None) -> list[Element]:
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


def planet(
    rng: np.random.Generator, view: View, place: Point, radius: int, own: Colour | None
) -> Sprite:
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
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    distance: NDArray[np.float32],
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


def underwater(rng: np.random.Generator, view: View, own: Colour | None) -> list[Element]:
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
    line = ridge_line(rng, view.broad)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None] - line[None, :] * 0.35
    grain = fractal(rng, rows, view.broad, cells=10, octaves=5, gain=0.65, stretch=3)
    sand = mixed(colour("c9b98c"), deep, 0.75 - 0.35 * near)
    rgb = gradient([(0, sand), (1, sand * np.float32(0.55))], down) * (0.8 + 0.4 * grain)[..., None]
    return Plane(view, sheet_of(rgb, np.clip(down * rows * 0.4, 0, 1)), top, near * 0.6, near)


def ridge_line(rng: np.random.Generator, columns: int) -> NDArray[np.float32]:
    """A soft line of 0 to 1."""
    grid = rng.random((1, 7)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (columns, 1), interpolation=cv2.INTER_CUBIC)[0], np.float32)


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
    tile = cv2.merge([light, light, light, np.zeros_like(light)])
    return Falling(tile, (0.0, -0.09 * size), 0.6, size * 0.01)


def room(rng: np.random.Generator, view: View, light: Light, own: Colour | None) -> list[Element]:
    """A wall with a window and a picture, a floor of boards, and the window's light on it."""
    wall = (
        own
        if own is not None
        else (colour("d9c9ae"), colour("9fb0a8"), colour("c4a08a"))[rng.integers(3)]
    )
    dim = mixed(light.tint, colour("ffe2b8"), 0.5) / 255 if light.dark else light.tint / 255
    rows = np.linspace(0, 1, view.height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, view.width, dtype=np.float32)[None, :]
    tone = gradient([(0, wall * dim * 0.86), (1, wall * dim)], rows)
    shade = 1 - 0.28 * (columns + 0.25) ** 2
    grain = fractal(rng, view.height, view.width, cells=120, octaves=2)
    picture = tone * (shade * (0.98 + 0.04 * grain))[..., None]
    made: list[Element] = [Backdrop(dithered(rng, picture))]
    made.append(_boards(rng, view, dim))
    height = round(view.height * 0.52)
    left, top = view.width * 0.3 - height * 0.4, view.height * 0.1
    made.append(Sprite(_window(rng, height, light), left, top, 0.1))
    made.append(_shine(view, light, left, height))
    made.append(
        Sprite(
            _picture(rng, round(view.height * 0.24), dim),
            view.width * 0.66,
            view.height * 0.17,
            0.1,
        )
    )
    made.append(
        Sprite(
            _plant(rng, round(view.height * 0.46), dim), view.width * 0.8, view.height * 0.49, 0.5
        )
    )
    return made


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
    hills = 0.8 - 0.1 * ridge_line(rng, width)[None, :]
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


def _plant(rng: np.random.Generator, height: int, dim: Colour) -> Sheet:
    sketch = Sketch(height, 0.9)
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


@dataclass
class Flow:
    """Colours that flow into each other, by noise bent with noise (domain warping)."""

    view: View
    rng: np.random.Generator
    colours: Sequence[Colour]
    _grid: tuple[NDArray[np.float32], NDArray[np.float32]] = field(init=False)
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


def station(view: View, strength: float = 0.3) -> Sprite:
    """A soft light in the middle of the picture."""
    return centred(
        glow(round(view.height * 0.7), colour("fff4dc"), strength),
        (view.width / 2, view.height / 2),
        0,
    )
