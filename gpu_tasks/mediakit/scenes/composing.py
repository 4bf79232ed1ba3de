"""Composing: which parts a scene has, and in which order they lie."""

from collections.abc import Iterator

import numpy as np

from gpu_tasks.mediakit.scenes import (
    grounds,
    placing,
    ranges,
    room,
    sky,
    space,
    underwater,
    weather,
)
from gpu_tasks.mediakit.scenes.colours import NAMED
from gpu_tasks.mediakit.scenes.elements import Element
from gpu_tasks.mediakit.scenes.flow import Flow
from gpu_tasks.mediakit.scenes.setting import Setting, each

SUN_AT = (0.3, 0.62, 0.7)
"""Where sun or moon may stand, as shares of the width."""
COVER, COVER_AT_NIGHT, CLOUDY, OVERCAST = 0.4, 0.22, 0.75, 1.25
"""How much of the sky clouds take."""
DIM_GLEAM = 0.2
"""What is left of the sun's path on the water under clouds."""
WET_BELOW_SHORE = 0.14
"""Water goes on under the beach, whose edge is bent."""
MAX_PLANETS = 5


def elements(setting: Setting, rng: np.random.Generator) -> list[Element]:
    """The parts from the back to the front."""
    made = [*_world(setting, rng), *placing.things(setting, rng)]
    if setting.kind == "landscape":
        made += _weather(setting, rng)
    return made


def _world(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    view, kind = setting.view, setting.kind
    if kind == "abstract":
        yield Flow(view, rng, setting.hues)
    elif kind == "space":
        yield from _space(setting, rng)
    elif kind == "underwater":
        yield from underwater.elements(rng, view, setting.own("underwater"))
    elif kind == "room":
        yield from room.elements(rng, view, setting.light, setting.own("room"))
    else:
        across = float(rng.choice(SUN_AT))
        yield from _sky(setting, rng, across)
        yield from _horizon(setting, rng)
        yield from _ground(setting, rng, across)


def _space(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    view = setting.view
    yield from space.elements(rng, view, setting.hues[0] if setting.hues else None)
    asked = [one for one in setting.told.things if one.name in ("planet", "moon", "sun")]
    for index, one in enumerate(each(asked, MAX_PLANETS)):
        radius = round(view.height * (0.2 if index == 0 else rng.uniform(0.05, 0.1)))
        place = (placing.THIRDS[index] * view.width, view.height * rng.uniform(0.3, 0.6))
        yield space.planet(rng, place, radius, NAMED[one.colour] if one.colour else None)


def _sky(setting: Setting, rng: np.random.Generator, across: float) -> Iterator[Element]:
    told, view, light = setting.told, setting.view, setting.light
    place = sky.sun_place(view, light, across)
    yield sky.backdrop(rng, view, light)
    if light.dark and not setting.covered:
        yield from sky.stars(rng, view, rows=view.horizon)
    if told.has("aurora"):
        yield sky.aurora(rng, view)
    if told.has("moon") or (light.dark and not setting.covered):
        yield from sky.moon(rng, view, light, place, "crescent" in told.understood)
    elif not (setting.covered or told.has("fog") or told.has("snow")):
        yield from sky.sun(view, light, place)
    yield from sky.clouds(rng, view, light, _cover(setting))
    if told.has("rainbow"):
        yield sky.rainbow(view)


def _cover(setting: Setting) -> float:
    if setting.covered:
        return OVERCAST
    if setting.told.has("cloud"):
        return CLOUDY
    return COVER_AT_NIGHT if setting.light.dark else COVER


def _horizon(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    view, light, snowy = setting.view, setting.light, setting.snowy
    high = [one for one in ("mountains", "forest", "city", "desert") if setting.asked(one)]
    if "mountains" in high:
        yield from ranges.mountains(rng, view, light, setting.own("mountains"), snowy=snowy)
    if setting.asked("hills") or not (high or setting.wet):
        own = grounds.SNOW if snowy else setting.own("hills")
        yield from ranges.hills(rng, view, light, own if own is not None else setting.season)
    if "city" in high:
        neon = "neon" in setting.told.moods
        yield from ranges.city(rng, view, light, setting.own("city"), neon=neon)
    if "forest" in high:
        own, low = setting.own("forest"), "mountains" in high
        yield from ranges.forest(rng, view, light, own, snowy=snowy, low=low)


def _ground(setting: Setting, rng: np.random.Generator, across: float) -> Iterator[Element]:
    view, light = setting.view, setting.light
    if setting.wet:
        yield from _shore(setting, rng, across)
    elif setting.asked("desert"):
        yield from grounds.desert(rng, view, light, setting.own("desert"))
    else:
        own = setting.own("field")
        own = own if own is not None else setting.season
        yield from grounds.meadow(rng, view, light, own, snowy=setting.snowy)
    if setting.told.has("car"):
        top, rows = (round(view.height * share) for share in placing.LANE)
        yield from grounds.lane(rng, view, light, top, rows)
    elif setting.asked("road"):
        yield from grounds.road(rng, view, light, view.width * 0.5)


def _shore(setting: Setting, rng: np.random.Generator, across: float) -> Iterator[Element]:
    view, light = setting.view, setting.light
    shore = round(view.height * placing.SHORE)
    below = shore + round(view.height * WET_BELOW_SHORE)
    yield grounds.Water(
        view,
        light,
        rng,
        setting.own("sea"),
        gleam_at=across * view.width,
        gleaming=DIM_GLEAM if setting.covered else 1.0,
        bottom=below if setting.ashore else view.height,
    )
    if setting.ashore:
        yield from grounds.beach(rng, view, light, shore, setting.own("beach"))


def _weather(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    told, view, light = setting.told, setting.view, setting.light
    if told.has("lightning") or told.has("storm"):
        yield weather.Lightning(view, int(rng.integers(2**31)))
    if told.has("fog"):
        yield from weather.fog(rng, view, light)
    if told.has("rain") or told.has("storm"):
        yield from weather.rain(rng, view, light)
    if told.has("snow"):
        yield from weather.snowfall(rng, view, light)
