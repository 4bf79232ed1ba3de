"""The stage of a scene: its light, its canvas at one time, and drawing operations."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.words import COLOURS, Description

Colour = NDArray[np.floating[Any]]
"""Red, green, blue, 0 to 255."""
Field = NDArray[np.floating[Any]]
"""Height × width, mostly 0 to 1."""

Random = np.random.Generator

HORIZON = 0.6
"""Position of the horizon, as a share of the height."""
MOODS = {"warm": "ffb070", "cold": "7fa8d8", "dreamy": "e8a8d8", "neon": "b040d8"}
"""The colours of moods, which tint the light as colours without a thing do."""
GLOOM = {"storm": 0.8, "lightning": 0.8, "rain": 0.5, "overcast": 0.5, "fog": 0.4, "snow": 0.3}
"""The share of colour that the light loses. It loses a third of that in strength."""
HOURS = {"moon": "night", "aurora": "night", "neon": "night", "fire": "dusk", "dramatic": "dusk"}
"""The hour that names imply if the prompt states none; otherwise it is day."""


def parse_colour(code: str) -> Colour:
    """Return the colour of a hexadecimal code such as ``ff8040``, or of a word."""
    if code in COLOURS:
        return np.array(ImageColor.getrgb(COLOURS[code]), np.float32) * 0.75 + 45
    return np.array(list(bytes.fromhex(code)), np.float32)


def mix_colours(base: Colour, addition: Colour, share: float | Colour) -> Colour:
    """Mix ``share`` of the second colour into the first."""
    return np.asarray(base + (addition - base) * share, np.float32)


class Light(NamedTuple):
    """The light of a scene.

    It has three colours of the sky down to the horizon, the tint (of 255) by which other colours
    are multiplied, and the colour and height (0 to 1) of sun or moon.
    """

    sky: Colour
    tint: Colour
    sun: Colour
    height: float


LIGHTS = {
    hour: Light(
        np.stack([parse_colour(code) for code in sky.split()]),
        parse_colour(tint),
        parse_colour(sun),
        height,
    )
    for hour, sky, tint, sun, height in (
        ("day", "2766b8 6fabe4 dcedf4", "fffdf4", "fffbe6", 0.72),
        ("sunrise", "51659f d8a0aa ffe3ae", "f6d9c4", "fff4cf", 0.16),
        ("sunset", "272a63 b4506a ffbb62", "dba893", "ffeab0", 0.13),
        ("dusk", "121840 4c3c80 e0958c", "8b7a9c", "f6d5b5", 0.3),
        ("night", "040818 0c193c 2c4574", "4f6190", "f2f1e2", 0.66),
    )
}


def list_hues(prompt: Description) -> list[Colour]:
    """Return the colours without a thing, else those of the moods."""
    moods = [MOODS[name] for name in MOODS if name in prompt.names]
    return [parse_colour(code) for code in prompt.colours or moods]


def get_hour(prompt: Description) -> str:
    """Return the hour of the prompt, a key of `LIGHTS`."""
    stated = [item.name for item in prompt.items_by_kind["time"]]
    return [*stated, *(hour for name, hour in HOURS.items() if name in prompt.names), "day"][0]


def build_light(prompt: Description) -> Light:
    """Return the light of the prompt: by the hour, then the weather, moods and colours."""
    light = LIGHTS[get_hour(prompt)]
    gloom = max(GLOOM.get(name, 0) for name in {"", *prompt.names})

    def adapt(paint: Colour) -> Colour:
        grey = paint.mean(axis=-1, keepdims=True)
        vividness = 0.4 if "vivid" in prompt.names else 0
        paint = mix_colours(paint, grey, gloom - vividness) * (1 - gloom / 3)
        for hue in list_hues(prompt)[:1]:
            paint = mix_colours(paint, hue * grey / hue.mean(), 0.35)
        return np.clip(paint, 0, 255)

    return light._replace(
        sky=adapt(light.sky), tint=mix_colours(light.tint, adapt(light.tint), 0.6)
    )


class Stage:
    """The canvas of one point in time, with its light and drawing operations."""

    def __init__(self, prompt: Description, canvas: Frame, rng: Random, seconds: float) -> None:
        self.prompt, self.canvas, self.rng, self.seconds = prompt, canvas, rng, seconds
        self.light = build_light(prompt)
        self.height, self.width = canvas.shape[:2]
        self.horizon = round(self.height * HORIZON)
        # The unit of sizes, and the position of sun or moon.
        self.unit, self.across = min(self.height, 0.7 * self.width), float(rng.choice((0.3, 0.7)))
        self.x = np.linspace(0, 1, self.width, dtype=np.float32)[None, :]
        self.y = np.linspace(0, 1, self.height, dtype=np.float32)[:, None]

    def choose_colour(self, code: str, place_name: str = "", *, lit: bool = True) -> Colour:
        """Return the prompt's colour of a place, else that of the code, in this light."""
        stated = [
            item.colour
            for item in self.prompt.items_by_kind["place"]
            if item.name == place_name and item.colour
        ]
        fill = parse_colour(stated[0] if stated else code)
        if place_name in ("field", "hills", "forest") and "snow" in self.prompt.names:
            fill = mix_colours(fill, parse_colour("ffffff"), 0.85)
        return fill * (self.light.tint / 255 if lit else 1)

    def fade(self, stops: Colour) -> None:
        """Paint a vertical gradient down to the horizon."""
        positions, rows = np.linspace(0, HORIZON, len(stops)), self.y[:, 0]
        channels = [np.interp(rows, positions, stops[:, channel]) for channel in range(3)]
        self.canvas[:] = np.stack(channels, axis=-1)[:, None] + self.rng.random((1, self.width, 1))

    def blend(self, fill: Colour, opacity: Field, top: int = 0) -> None:
        """Blend a colour over the rows from ``top``, with an opacity."""
        rows = self.canvas[top : top + opacity.shape[0]]
        share = np.clip(opacity, 0, 1).astype(np.float32)[..., None]
        blended = np.clip(mix_colours(rows.astype(np.float32), fill, share) + 0.5, 0, 255)
        rows[:] = blended

    def polygon(self, points: Any, fill: Colour) -> None:
        """Fill a polygon."""
        ink = np.clip(fill, 0, 255).tolist()
        cv2.fillPoly(self.canvas, [_to_fixed_point(points)], ink, cv2.LINE_AA, 4)

    def line(self, points: Any, thickness: float, fill: Colour) -> None:
        """Draw a line through points; equal points give a dot."""
        width, ink = max(1, round(thickness)), np.clip(fill, 0, 255).tolist()
        cv2.polylines(self.canvas, [_to_fixed_point(points)], False, ink, width, cv2.LINE_AA, 4)

    def oval(self, centre: Any, radii: Any, fill: Colour) -> None:
        """Fill an ellipse."""
        turn = np.linspace(0, 2 * np.pi, 48)[:, None]
        self.polygon(centre + np.hstack([np.cos(turn), np.sin(turn)]) * radii, fill)

    def glow(self, at: Any, radii: tuple[float, float], fill: Colour, strength: float) -> None:
        """Add light, or shade, that fades towards the edge of an ellipse."""
        top, end = max(0, round(at[1] - radii[1])), max(0, round(at[1] + radii[1]))
        across = (self.x * self.width - at[0]) / radii[0]
        down = (self.y[top:end] * self.height - at[1]) / radii[1]
        self.blend(fill, strength * np.clip(1 - np.hypot(across, down), 0, 1) ** 1.5, top)

    def specks(
        self, count: int, fill: Colour, size: float, fall: float = 0, tail: float = 0
    ) -> None:
        """Draw drops, flakes, bubbles or stars.

        Size and tail are hundredths of the picture; ``fall`` is in pictures per second.
        """
        for x, y, near in self.rng.random((count, 3)):
            drift = 0.02 * np.sin(self.seconds + 6 * near) if fall else 0.0
            position = np.array([x + drift, (y + fall * (0.5 + near) * self.seconds) % 1])
            ends = position * (self.width, self.height) + np.outer(
                (0, tail * self.unit), (-0.002, 0.01)
            )
            self.line(ends, size / 100 * (0.3 + near) * self.unit, fill)

    def ridges(
        self, fill: Colour, first: float, last: float, rise: float, count: int = 1, flow: float = 0
    ) -> None:
        """Draw lines of hills or waves from the row ``first`` to ``last``, and fill all below them.

        They rise above their rows by up to ``rise`` and flow by ``flow`` radians per second.
        """
        for near in np.linspace(0, 1, count):
            a, b, c = self.rng.uniform(0, 6.3, 3) + flow * self.seconds
            x = self.x * self.width / self.height * (2 - near)
            wave = np.sin(4 * x + a) + 0.5 * np.sin(9 * x - b) + 0.2 * np.sin(23 * x + c)
            line = first + (last - first) * near - rise * (0.5 + wave / 3.4)
            tone = mix_colours(
                fill * (1 - 0.25 * near), self.light.sky[2], 0.4 * (1 - near) * (count > 1)
            )
            top = max(0, int(line.min() * self.height))
            self.blend(tone, np.clip((self.y[top:] - line) * self.height, 0, 1), top)


def _to_fixed_point(points: Any) -> Any:
    """Return coordinates as OpenCV expects them, with four bits of fraction."""
    return np.round(np.array(points) * 16).astype(np.int32)
