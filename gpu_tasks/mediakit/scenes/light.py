"""Colours, and the light of a scene: by the hour, then the weather, moods and colours."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.scenes.words import CODES, Description

Colour = NDArray[np.floating[Any]]
"""Red, green, blue, 0 to 255."""

GREYNESS = {"storm": 0.7, "lightning": 0.7, "rain": 0.6, "overcast": 0.6, "fog": 0.5, "snow": 0.4}
DARKNESS = {"storm": 0.42, "lightning": 0.42, "rain": 0.16, "overcast": 0.16}
MOODS = {"warm": "ffb070", "cold": "7fa8d8", "dreamy": "e8a8d8", "neon": "b040d8"}
"""The colours that moods draw the light to."""
TINGE = 0.35
"""How much: as a colour does that was said of nothing."""
VIVID = 0.4


def colour(code: str) -> Colour:
    """The colour of a hexadecimal code such as ``ff8040``."""
    return np.array(list(bytes.fromhex(code)), np.float32)


def mixed(one: Colour, other: Colour, share: float | Colour) -> Colour:
    """``share`` of the other, the rest of the one."""
    return np.asarray(one + (other - one) * share, np.float32)


@dataclass(frozen=True)
class Light:
    """What the sky is like, and what it does to what lies under it."""

    sky: Colour
    """Three: at the zenith, lower, and at the horizon, into which far things fade."""
    tint: Colour
    """Multiplies the colour of what is lit; 255 leaves it."""
    sun: Colour
    height: float
    """Of sun or moon: 0 at the horizon, 1 at the zenith."""
    dark: bool = False
    """Stars are out and windows are lit."""

    def lit(self, own: Colour, far: float = 0.0) -> Colour:
        """How a thing of this colour looks, so far (0 to 1) away."""
        return mixed(own * self.tint / 255, self.sky[2], far)


def _light(sky: str, tint: str, sun: str, height: float, *, dark: bool = False) -> Light:
    stops = np.stack([colour(code) for code in sky.split()])
    return Light(stops, colour(tint), colour(sun), height, dark)


LIGHTS = {
    "day": _light("2766b8 6fabe4 dcedf4", "fffdf4", "fffbe6", 0.72),
    "sunrise": _light("51659f d8a0aa ffe3ae", "f6d9c4", "fff4cf", 0.16),
    "sunset": _light("272a63 b4506a ffbb62", "dba893", "ffeab0", 0.13),
    "dusk": _light("121840 4c3c80 e0958c", "8b7a9c", "f6d5b5", 0.3),
    "night": _light("040818 0c193c 2c4574", "4f6190", "f2f1e2", 0.66, dark=True),
}


def light_of(told: Description) -> Light:
    """The light of what is asked for."""
    light = LIGHTS[_hour(told)]
    greyness = max((GREYNESS.get(name, 0.0) for name in told.weather), default=0.0)
    darkness = max((DARKNESS.get(name, 0.0) for name in told.weather), default=0.0)
    greyness -= VIVID if "vivid" in told.moods else 0.0
    hue = next(iter(hues(told)), None)

    def seen(own: Colour) -> Colour:
        own = mixed(own, own.mean(axis=-1, keepdims=True), greyness) * (1 - darkness)
        if hue is not None:
            own = mixed(own, hue * own.mean(axis=-1, keepdims=True) / hue.mean(), TINGE)
        return np.clip(own, 0, 255)

    return replace(light, sky=seen(light.sky), tint=mixed(light.tint, seen(light.tint), 0.6))


def hues(told: Description) -> list[Colour]:
    """The colours that were said of nothing, else those of the moods."""
    codes = [CODES[name] for name in told.colours]
    return [colour(code) for code in codes or [MOODS[one] for one in told.moods if one in MOODS]]


def _hour(told: Description) -> str:
    if told.time:
        return told.time
    if any(told.has(name) for name in ("moon", "star", "aurora")) or "neon" in told.moods:
        return "night"
    return "dusk" if told.has("fire") or "dramatic" in told.moods else "day"
