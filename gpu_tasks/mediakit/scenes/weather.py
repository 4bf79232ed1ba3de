"""Rain, snow, fog and lightning."""

from dataclasses import dataclass

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.colours import Light, colour
from gpu_tasks.mediakit.scenes.elements import Falling, Plane, View
from gpu_tasks.mediakit.scenes.noise import fractal
from gpu_tasks.mediakit.scenes.painting import Point, sheet_of

FLASH_EVERY_SECONDS = 2.6
FLASH_SECONDS = 0.55
BOLT = np.array([0.92, 0.9, 1.0], np.float32)


def rain(rng: np.random.Generator, view: View, light: Light) -> list[Falling]:
    """Streaks in two distances."""
    return [
        _streaks(rng, view, light, count=150, length=0.05, opacity=0.2, speed=1.6),
        _streaks(rng, view, light, count=60, length=0.11, opacity=0.3, speed=2.6),
    ]


def _streaks(
    rng: np.random.Generator,
    view: View,
    light: Light,
    *,
    count: int,
    length: float,
    opacity: float,
    speed: float,
) -> Falling:
    size = view.height
    mask = np.zeros((size, size), np.uint8)
    slant = -0.12
    for x, y in rng.random((count, 2)) * size:
        reach = length * size * rng.uniform(0.6, 1.2)
        for wrap in (0, -size):
            start = (round(x * 16), round((y + wrap) * 16))
            end = (round((x + slant * reach) * 16), round((y + wrap + reach) * 16))
            cv2.line(mask, start, end, 255, max(1, round(size / 420)), cv2.LINE_AA, 4)
    tone = light.lit(colour("e6eef5"), 0.2)
    rgb = np.full((size, size, 3), tone, np.float32)
    return Falling(
        sheet_of(rgb, mask.astype(np.float32) / 255 * opacity), (slant * speed * size, speed * size)
    )


def snowfall(rng: np.random.Generator, view: View, light: Light) -> list[Falling]:
    """Flakes in three distances, the nearest large and soft."""
    layers = []
    for count, radius, near in ((170, 0.0024, 0.2), (80, 0.0045, 0.5), (22, 0.01, 0.9)):
        size = view.height
        mask = np.zeros((size, size), np.uint8)
        for x, y in rng.random((count, 2)) * size:
            reach = max(0.7, radius * size * rng.uniform(0.6, 1.25))
            for dx in (0, size, -size):
                centre = (round((x + dx) * 16), round(y * 16))
                cv2.circle(mask, centre, round(reach * 16), 235, -1, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(
            mask, (0, 0), max(0.6, radius * size * 0.4), borderType=cv2.BORDER_REFLECT
        )
        tone = np.maximum(light.lit(colour("ffffff")), light.haze * np.float32(0.9))
        rgb = np.full((size, size, 3), np.clip(tone * 1.15, 0, 255), np.float32)
        sheet = sheet_of(rgb, soft.astype(np.float32) / 255 * np.float32(0.85))
        speed = size * (0.07 + 0.2 * near)
        layers.append(Falling(sheet, (size * 0.02 * near, speed), near, size * 0.012 * near))
    return layers


def fog(rng: np.random.Generator, view: View, light: Light) -> list[Plane]:
    """Banks of fog over the horizon that drift."""
    planes = []
    for top, height, near, strength in ((-0.34, 0.52, 0.15, 0.75), (-0.06, 0.42, 0.4, 0.6)):
        rows = round(view.height * height)
        thick = fractal(rng, rows, view.broad, cells=1.8, octaves=4, stretch=3.5)
        fade = np.sin(np.linspace(0, 0.999, rows, dtype=np.float32) * np.pi)[:, None] ** 0.8
        rgb = np.full((rows, view.broad, 3), np.clip(light.haze * 1.08, 0, 255), np.float32)
        opacity = np.clip(0.35 + 0.9 * thick, 0, 1) * fade * strength
        drift = view.height * 0.014 * (1 + near)
        planes.append(
            Plane(
                view,
                sheet_of(rgb, opacity),
                view.horizon + round(view.height * top),
                near,
                near,
                drift,
            )
        )
    return planes


@dataclass
class Lightning:
    """Bolts that flash and fade; one is seen at the very beginning."""

    view: View
    seed: int

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Brighten the sky, and draw the bolt while it lasts."""
        number, since = divmod(seconds, FLASH_EVERY_SECONDS)
        left = 1 - since / FLASH_SECONDS
        if left <= 0:
            return
        strength = left**1.5 * (0.75 + 0.25 * np.cos(60 * since))
        rng = np.random.default_rng((self.seed, int(number)))
        sky = canvas[: self.view.horizon]
        sky[:] = cv2.addWeighted(sky, 1, sky, 0.22 * strength, 8 * strength)
        mask = np.zeros(canvas.shape[:2], np.uint8)
        start = (rng.uniform(0.2, 0.8) * self.view.width + pan * 0.05, 0.0)
        _bolt(rng, mask, start, self.view.horizon * 1.0, max(1, self.view.height // 170))
        soft = cv2.GaussianBlur(mask, (0, 0), self.view.height / 60)
        light = cv2.addWeighted(mask, strength, soft, 2.2 * strength, 0)
        tinted = np.asarray(light, np.float32)[..., None] * BOLT
        canvas[:] = cv2.add(canvas, tinted.astype(np.uint8))


def _bolt(
    rng: np.random.Generator, mask: np.ndarray, start: Point, foot: float, thick: int
) -> None:
    x, y = start
    step = foot / 16
    while y < foot:
        end = (x + rng.normal(0, step * 0.6), y + step * rng.uniform(0.7, 1.2))
        line = np.round(np.array([(x, y), end]) * 16).astype(np.int32)
        cv2.polylines(mask, [line], False, 255, thick, cv2.LINE_AA, 4)
        if thick > 1 and rng.random() < 0.22:
            _bolt(rng, mask, end, min(foot, end[1] + foot * 0.3), thick // 2)
        x, y = end
