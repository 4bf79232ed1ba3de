"""The stage of a scene: its light, its canvas at one time, and the strokes that are drawn on it."""

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
"""As a share of the height."""
MOODS = {"warm": "ffb070", "cold": "7fa8d8", "dreamy": "e8a8d8", "neon": "b040d8"}
"""The colours that moods draw the light to, as colours do that were said of nothing."""
GLOOM = {"storm": 0.8, "lightning": 0.8, "rain": 0.5, "overcast": 0.5, "fog": 0.4, "snow": 0.3}
"""What the light loses of its colours; a third of that of its strength."""
HOURS = {"moon": "night", "aurora": "night", "neon": "night", "fire": "dusk", "dramatic": "dusk"}
"""When it is, if nothing was said of it; else it is day."""


def colour(code: str) -> Colour:
    """The colour of a hexadecimal code such as ``ff8040``, or of a word."""
    if code in COLOURS:
        return np.array(ImageColor.getrgb(COLOURS[code]), np.float32) * 0.75 + 45
    return np.array(list(bytes.fromhex(code)), np.float32)


def mixed(one: Colour, other: Colour, share: float | Colour) -> Colour:
    """``share`` of the other, the rest of the one."""
    return np.asarray(one + (other - one) * share, np.float32)


class Light(NamedTuple):
    """What the sky is like (three colours down to the horizon), what it multiplies the colour of
    other things by (of 255), the sun or moon, and how high that is, 0 to 1.
    """

    sky: Colour
    tint: Colour
    sun: Colour
    height: float


LIGHTS = {
    hour: Light(np.stack([colour(code) for code in sky.split()]), colour(tint), colour(sun), height)
    for hour, sky, tint, sun, height in (
        ("day", "2766b8 6fabe4 dcedf4", "fffdf4", "fffbe6", 0.72),
        ("sunrise", "51659f d8a0aa ffe3ae", "f6d9c4", "fff4cf", 0.16),
        ("sunset", "272a63 b4506a ffbb62", "dba893", "ffeab0", 0.13),
        ("dusk", "121840 4c3c80 e0958c", "8b7a9c", "f6d5b5", 0.3),
        ("night", "040818 0c193c 2c4574", "4f6190", "f2f1e2", 0.66),
    )
}


def hues(prompt: Description) -> list[Colour]:
    """The colours that were said of nothing, else those of the moods."""
    moods = [MOODS[name] for name in MOODS if name in prompt.names]
    return [colour(code) for code in prompt.colours or moods]


def hour_of(prompt: Description) -> str:
    """A key of `LIGHTS`."""
    said = [one.name for one in prompt.named["time"]]
    return [*said, *(hour for name, hour in HOURS.items() if name in prompt.names), "day"][0]


def light_of(prompt: Description) -> Light:
    """The light of what is asked for: by the hour, then the weather, moods and colours."""
    light = LIGHTS[hour_of(prompt)]
    gloom = max(GLOOM.get(name, 0) for name in {"", *prompt.names})

    def seen(own: Colour) -> Colour:
        grey = own.mean(axis=-1, keepdims=True)
        own = mixed(own, grey, gloom - (0.4 if "vivid" in prompt.names else 0)) * (1 - gloom / 3)
        for hue in hues(prompt)[:1]:
            own = mixed(own, hue * grey / hue.mean(), 0.35)
        return np.clip(own, 0, 255)

    return light._replace(sky=seen(light.sky), tint=mixed(light.tint, seen(light.tint), 0.6))


class Stage:
    """What is shown at a time, in which light, on which canvas."""

    def __init__(self, prompt: Description, canvas: Frame, rng: Random, seconds: float) -> None:
        self.prompt, self.canvas, self.rng, self.seconds = prompt, canvas, rng, seconds
        self.light = light_of(prompt)
        self.height, self.width = canvas.shape[:2]
        self.horizon = round(self.height * HORIZON)
        # What sizes are measured in, and where sun or moon stands.
        self.unit, self.across = min(self.height, 0.7 * self.width), float(rng.choice((0.3, 0.7)))
        self.x = np.linspace(0, 1, self.width, dtype=np.float32)[None, :]
        self.y = np.linspace(0, 1, self.height, dtype=np.float32)[:, None]

    def own(self, code: str, place: str = "", *, lit: bool = True) -> Colour:
        """The colour that was said of a place, else that of the code; in this light, under snow."""
        said = [
            one.colour for one in self.prompt.named["place"] if one.name == place and one.colour
        ]
        own = colour(said[0] if said else code)
        if place in ("field", "hills", "forest") and "snow" in self.prompt.names:
            own = mixed(own, colour("ffffff"), 0.85)
        return own * (self.light.tint / 255 if lit else 1)

    def fade(self, stops: Colour) -> None:
        """Paint all with colours that go over into each other down to the horizon."""
        places, rows = np.linspace(0, HORIZON, len(stops)), self.y[:, 0]
        painted = [np.interp(rows, places, stops[:, channel]) for channel in range(3)]
        self.canvas[:] = np.stack(painted, axis=-1)[:, None] + self.rng.random((1, self.width, 1))

    def blend(self, own: Colour, opacity: Field, top: int = 0) -> None:
        """Lay a colour over the rows from ``top``, by an opacity."""
        under = self.canvas[top : top + opacity.shape[0]]
        share = np.clip(opacity, 0, 1).astype(np.float32)[..., None]
        laid = np.clip(mixed(under.astype(np.float32), own, share) + 0.5, 0, 255)
        under[:] = laid

    def polygon(self, points: Any, own: Colour) -> None:
        """Fill it."""
        cv2.fillPoly(self.canvas, [_fixed(points)], np.clip(own, 0, 255).tolist(), cv2.LINE_AA, 4)

    def line(self, points: Any, thickness: float, own: Colour) -> None:
        """Through points; through one and the same, a dot."""
        wide, ink = max(1, round(thickness)), np.clip(own, 0, 255).tolist()
        cv2.polylines(self.canvas, [_fixed(points)], False, ink, wide, cv2.LINE_AA, 4)

    def oval(self, centre: Any, radii: Any, own: Colour) -> None:
        """Fill it."""
        turn = np.linspace(0, 2 * np.pi, 48)[:, None]
        self.polygon(centre + np.hstack([np.cos(turn), np.sin(turn)]) * radii, own)

    def glow(self, at: Any, radii: tuple[float, float], own: Colour, strength: float) -> None:
        """Light, or shade, that fades towards the edge of an ellipse."""
        top, end = max(0, round(at[1] - radii[1])), max(0, round(at[1] + radii[1]))
        across = (self.x * self.width - at[0]) / radii[0]
        down = (self.y[top:end] * self.height - at[1]) / radii[1]
        self.blend(own, strength * np.clip(1 - np.hypot(across, down), 0, 1) ** 1.5, top)

    def specks(
        self, count: int, own: Colour, size: float, fall: float = 0, tail: float = 0
    ) -> None:
        """Drops, flakes, bubbles, stars: their size and tail in hundredths of the picture, and how
        far they fall in a second in pictures.
        """
        for x, y, near in self.rng.random((count, 3)):
            drift = 0.02 * np.sin(self.seconds + 6 * near) if fall else 0.0
            at = np.array([x + drift, (y + fall * (0.5 + near) * self.seconds) % 1])
            ends = at * (self.width, self.height) + np.outer((0, tail * self.unit), (-0.002, 0.01))
            self.line(ends, size / 100 * (0.3 + near) * self.unit, own)

    def ridges(
        self, own: Colour, first: float, last: float, rise: float, count: int = 1, flow: float = 0
    ) -> None:
        """Lines of hills or waves from the row ``first`` to ``last``, each with all that lies below
        it; they rise by so much above their rows and flow by so many radians a second.
        """
        for near in np.linspace(0, 1, count):
            a, b, c = self.rng.uniform(0, 6.3, 3) + flow * self.seconds
            x = self.x * self.width / self.height * (2 - near)
            wave = np.sin(4 * x + a) + 0.5 * np.sin(9 * x - b) + 0.2 * np.sin(23 * x + c)
            line = first + (last - first) * near - rise * (0.5 + wave / 3.4)
            tone = mixed(own * (1 - 0.25 * near), self.light.sky[2], 0.4 * (1 - near) * (count > 1))
            top = max(0, int(line.min() * self.height))
            self.blend(tone, np.clip((self.y[top:] - line) * self.height, 0, 1), top)


def _fixed(points: Any) -> Any:
    """Coordinates as OpenCV takes them, with four bits of fraction."""
    return np.round(np.array(points) * 16).astype(np.int32)
