"""Skies: their gradient, sun and moon, stars, clouds, northern lights, a rainbow."""

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.colours import Light, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Backdrop, Frames, Plane, Sprite, View
from gpu_tasks.mediakit.scenes.noise import Field, fractal
from gpu_tasks.mediakit.scenes.painting import (
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

STARS_PER_MEGAPIXEL = 1400
SUN_RADIUS = 0.045
MOON_RADIUS = 0.055
CLOUD_DRIFT = 0.012
"""Heights of the picture a second."""
AURORA_ROWS = 48
WHITE = colour("ffffff")


def backdrop(rng: np.random.Generator, view: View, light: Light) -> Backdrop:
    """The gradient of the sky, to below the horizon, brighter around sun or moon's side."""
    rows = np.linspace(0, view.height / max(1, view.horizon), view.height, dtype=np.float32)
    stops = list(zip((0.0, 0.42, 0.78, 1.0), light.sky, strict=True))
    picture = np.repeat(gradient(stops, rows[:, None]), view.width, axis=1)
    return Backdrop(dithered(rng, picture))


def dithered(rng: np.random.Generator, picture: np.ndarray) -> Frame:
    """A picture of whole numbers that shows no steps in its gradients."""
    noise = rng.random(picture.shape[:2], np.float32)[..., None]
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def sun_place(view: View, light: Light, across: float) -> Point:
    """Where sun or moon stands."""
    return across * view.width, view.horizon * (1 - light.sun_height)


def sun(view: View, light: Light, place: Point) -> list[Sprite]:
    """The disc, in a small bright glow within a wide faint one."""
    unit = view.unit
    wide = glow(round(unit * 0.95), light.sun * mixed(WHITE, light.sky[2], 0.4) / 255, 0.36)
    close = glow(round(unit * 0.26), light.sun, 0.75, falloff=3.0)
    radius = SUN_RADIUS * unit * (1.35 if light.sun_height < 0.25 else 1.0)
    disc = Sketch(round(radius * 2.4))
    disc.ellipse((0.5, 0.5), (0.42, 0.42), mixed(light.sun, WHITE, 0.55))
    return [centred(one, place, 0.02) for one in (wide, close, disc.done())]


def moon(
    rng: np.random.Generator, view: View, light: Light, place: Point, crescent: bool
) -> list[Sprite]:
    """A disc with its seas, or its crescent, in a glow."""
    size = max(8, round(MOON_RADIUS * view.unit * 2)) * FINER
    side = np.linspace(-1.04, 1.04, size, dtype=np.float32)
    x, y = side[None, :], side[:, None]
    spots = fractal(rng, size, size, cells=3)
    edge = np.clip((1 - np.sqrt(x**2 + y**2)) * size / 8, 0, 1)
    if crescent:
        edge = edge * np.clip((np.sqrt((x + 0.45) ** 2 + (y + 0.12) ** 2) - 0.92) * 12, 0, 1)
    shade = 1 - 0.3 * np.clip(spots * 2.4 - 1.15, 0, 1) - 0.12 * (x**2 + y**2)
    disc = sheet_of(shade[..., None] * colour("fbf8e8"), edge)
    halo = glow(
        round(view.unit * 0.5),
        light.sun * np.float32(0.7) + 20,
        0.38,
        falloff=3.0,
    )
    small = shrunk(disc)
    return [centred(halo, place, 0.02), centred(small, place, 0.02)]


def centred(sheet: Sheet, place: Point, near: float) -> Sprite:
    """A sprite around a place."""
    return Sprite(sheet, place[0] - sheet.shape[1] / 2, place[1] - sheet.shape[0] / 2, near)


def stars(rng: np.random.Generator, view: View, *, rows: int, density: float = 1.0) -> list[Plane]:
    """Points of light of many brightnesses, a few of them with a glow."""
    light = np.zeros((rows, view.broad, 3), np.float32)
    count = round(STARS_PER_MEGAPIXEL * density * 832 * 480 / 1e6 * view.broad / view.height / 1.73)
    size = max(0.5, view.height / 900)
    for _ in range(count):
        x, y = rng.random() * view.broad, rng.random() ** 1.25 * rows
        bright = 40 + 215 * rng.random() ** 5
        tone = mixed(colour("cfe0ff"), colour("ffe6c8"), rng.random())
        _star(light, x, y, size * (0.7 + bright / 200), tone * np.float32(bright / 255))
    return [Plane(view, added(light), 0, 0.0, 0.02)]


def _star(light: np.ndarray, x: float, y: float, radius: float, own: np.ndarray) -> None:
    reach = int(radius * 3) + 1
    x0, y0 = max(0, int(x) - reach), max(0, int(y) - reach)
    part = light[y0 : int(y) + reach + 1, x0 : int(x) + reach + 1]
    rows, columns = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float32)
    distance = (columns + x0 - x) ** 2 + (rows + y0 - y) ** 2
    part += np.exp(-distance / radius**2)[..., None] * own


def clouds(rng: np.random.Generator, view: View, light: Light, cover: float) -> list[Plane]:
    """Two decks of cumulus, lit from where the sun stands; ``cover`` is the share of the sky."""
    decks = []
    for height, cells, near in ((0.62, 3.2, 0.05), (1.0, 1.7, 0.1)):
        rows = max(8, round(view.horizon * height))
        top = round(view.horizon * (0.99 - height))
        heights = fractal(rng, rows, view.broad, cells=cells, octaves=6, stretch=2.6)
        decks.append(_deck(view, light, heights, cover, top, near))
    return decks


def _deck(view: View, light: Light, heights: Field, cover: float, top: int, near: float) -> Plane:
    rows = heights.shape[0]
    edge = np.quantile(heights, 1 - cover * 0.62)
    thick = np.clip((heights - edge) / 0.22, 0, 1)
    fade = np.sin(np.linspace(0, 0.999, rows, dtype=np.float32) * np.pi) ** 0.8
    lift = max(2, rows // 24)
    below = np.roll(cv2.GaussianBlur(heights, (0, 0), lift / 2), -lift, axis=0)
    relief = np.clip(0.5 + (heights - below) * 4.2, 0, 1)
    bright = mixed(WHITE * light.tint / 255, light.sun, 0.35 if not light.dark else 0.1)
    if cover > 1:
        bright = mixed(light.sky[2], light.sky[3], 0.6)
    shade = mixed(light.sky[1], light.sky[2], 0.45) * np.float32(0.92)
    if light.dark:
        bright = mixed(light.sky[2], light.sun, 0.16)
    rgb = gradient([(0.0, shade), (0.55, mixed(shade, bright, 0.7)), (1.0, bright)], relief)
    opacity = thick * thick * (3 - 2 * thick) * fade[:, None]
    drift = CLOUD_DRIFT * view.height * (1 + near * 4)
    return Plane(view, sheet_of(rgb, opacity * np.float32(0.94)), top, near, near, drift)


def aurora(rng: np.random.Generator, view: View) -> Frames:
    """Curtains of green and violet light that wave."""
    columns, rows = max(16, view.broad // 4), AURORA_ROWS
    waves = [(rng.uniform(1, 4), rng.uniform(0.2, 0.6), rng.uniform(0, 6.3)) for _ in range(4)]
    rays = np.random.default_rng(rng.integers(2**31)).random(columns).astype(np.float32)
    rays = cv2.GaussianBlur(rays[None, :], (0, 0), 1.2)[0]
    x = np.linspace(0, 1, columns, dtype=np.float32)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]

    def paint(seconds: float) -> Sheet:
        light = np.zeros((rows, columns, 3), np.float32)
        for index, (count, speed, phase) in enumerate(waves):
            foot = 0.55 + 0.1 * index + 0.12 * np.sin(6.3 * count * x + speed * seconds + phase)
            above = foot[None, :] - y
            curtain = np.exp(-np.clip(above, 0, None) * 5) * np.clip(above * 18, 0, 1)
            pulse = 0.45 + 0.55 * np.sin(9 * x * count + phase + seconds * speed * 1.7) ** 2
            strength = curtain * (0.4 + 0.9 * rays) * pulse
            low = np.exp(-np.clip(above, 0, None) * 3)[..., None]
            tone = low * colour("43e8a0") + (1 - low) * colour("8a5be0")
            light += strength[..., None] * tone * np.float32(0.62)
        size = (view.broad, max(8, int(view.horizon * 0.95)))
        return added(np.asarray(cv2.resize(light, size), np.float32))

    return Frames(paint, -view.margin, 0, 0.02)


def rainbow(view: View) -> Sprite:
    """A bow of seven colours."""
    radius = round(view.height * 0.75)
    side = np.arange(-radius, radius + 1, dtype=np.float32) / radius
    distance = np.sqrt(side[None, :] ** 2 + side[: radius + 1, None] ** 2)
    codes = ("8a4bd0", "4a5be0", "3fa9e0", "4fc070", "f0e050", "f09a3a", "e0483a")
    stops = [(0.84 + 0.02 * index, colour(code)) for index, code in enumerate(codes)]
    band = np.clip(1 - np.abs(distance - 0.9) / 0.085, 0, 1) ** np.float32(0.8)
    bow = sheet_of(gradient(stops, distance), band * np.float32(0.5))
    return Sprite(bow, view.width * 0.52 - radius, view.horizon - radius * 0.98, 0.05)
