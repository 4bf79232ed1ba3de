"""Colours: by their names, mixed, and the light of the hours of a day."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.floating[Any]]
"""Red, green, blue, 0 to 255."""


def colour(code: str) -> Colour:
    """The colour of a hexadecimal code such as ``ff8040``."""
    return np.array([int(code[at : at + 2], 16) for at in (0, 2, 4)], np.float32)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """``share`` of the other, the rest of the one."""
    return (one + (other - one) * np.float32(share)).astype(np.float32)


NAMED = {
    name: colour(code)
    for name, code in {
        "red": "d13b3b", "crimson": "a8213a", "scarlet": "d92f1f", "orange": "ec8033",
        "yellow": "f3cb42", "golden": "e8b23f", "gold": "e8b23f", "green": "4f9a4a",
        "emerald": "2f9e6b", "lime": "9bcb3c", "teal": "2a8c8c", "turquoise": "3cc3bd",
        "cyan": "35c0d8", "blue": "3a72c8", "navy": "1d2f5e", "indigo": "48409a",
        "purple": "7d4bb0", "violet": "8f5cc4", "lavender": "b9a4e0", "magenta": "c83f9d",
        "pink": "ee8fb4", "rose": "e2708f", "white": "f3f2ee", "silver": "b9c0c8",
        "grey": "8b9096", "gray": "8b9096", "black": "24252b", "brown": "7a5437",
        "beige": "d8c6a2", "cream": "f3e7cb", "bronze": "a3743c", "copper": "b86b43",
    }.items()
}  # fmt: skip
"""The words for colours that are understood."""


Sky = tuple[Colour, Colour, Colour, Colour]


@dataclass(frozen=True)
class Light:
    """What the sky is like and what it does to what lies under it."""

    sky: Sky
    """From the zenith to the horizon."""
    sun: Colour
    """The disc of sun or moon, its glow, and its gleam on water."""
    tint: Colour
    """Multiplies the colour of what is lit; 255 leaves it."""
    haze: Colour
    """What far things fade into."""
    sun_height: float
    """Of sun or moon, 0 at the horizon and 1 at the zenith."""
    dark: bool = False
    """Stars are out and windows are lit."""

    def lit(self, own: Colour, distance: float = 0.0) -> Colour:
        """How a thing of this colour looks, so far (0 to 1) away."""
        return mixed(own * self.tint / np.float32(255), self.haze, distance)


def _light(sky: str, sun: str, tint: str, haze: str, height: float, *, dark: bool = False) -> Light:
    zenith, high, low, horizon = (colour(code) for code in sky.split())
    return Light(
        (zenith, high, low, horizon), colour(sun), colour(tint), colour(haze), height, dark
    )


LIGHTS = {
    "day": _light("2766b8 4f93dc 93c6ef dcedf4", "fffbe6", "fffdf4", "c3dbe9", 0.72),
    "sunrise": _light("51659f 9b8dbd f2ae97 ffe3ae", "fff4cf", "f6d9c4", "efc3a6", 0.16),
    "sunset": _light("272a63 77407f e1635c ffbb62", "ffeab0", "dba893", "dd8468", 0.13),
    "dusk": _light("121840 373170 80568a e0958c", "f6d5b5", "8b7a9c", "7d5f86", 0.3),
    "night": _light("040818 0a1433 152650 2c4574", "f2f1e2", "4f6190", "22365f", 0.66, dark=True),
}


def _each(light: Light, change: Callable[[Colour], Colour]) -> Sky:
    zenith, high, low, horizon = (change(one) for one in light.sky)
    return zenith, high, low, horizon


def overcast(light: Light, amount: float, *, darker: float = 0.0) -> Light:
    """The light under clouds: greyer (or less so, below zero), and ``darker`` under a storm."""

    def grey(own: Colour) -> Colour:
        mean = np.full(3, own.mean(), np.float32) * np.array([0.97, 1.0, 1.04], np.float32)
        return np.clip(mixed(own, mean, amount), 0, 255) * np.float32(1 - darker)

    return replace(
        light,
        sky=_each(light, grey),
        tint=grey(light.tint),
        haze=grey(light.haze),
    )


def tinged(light: Light, own: Colour, amount: float) -> Light:
    """The light with all its colours drawn towards one."""

    def drawn(one: Colour) -> Colour:
        level = one.mean() / max(float(own.mean()), 1.0)
        return np.clip(mixed(one, own * np.float32(level), amount), 0, 255)

    return replace(light, sky=_each(light, drawn), haze=drawn(light.haze))
