"""Composing: which parts a described scene has, where they are and in which order they lie."""

from collections.abc import Iterator

import cv2
import numpy as np

from gpu_tasks.scenes import animals, grounds, ranges, sky, things, weather, worlds
from gpu_tasks.scenes.colours import LIGHTS, NAMED, Colour, Light, colour, mixed, overcast, tinged
from gpu_tasks.scenes.elements import Element, Path, Sprite, View, resting
from gpu_tasks.scenes.painting import Sheet
from gpu_tasks.scenes.words import Description, Named

STANDING = things.STANDING | animals.STANDING
HIGH = ("mountains", "forest", "city", "desert")
BY_PLACE = {"forest": "pine", "beach": "palm", "field": "flower"}
"""What stands about in a place where nothing else was asked for."""
SHORE = 0.72
"""Where sand begins, as a share of the height."""
THIRDS = (0.36, 0.66, 0.22, 0.8, 0.5, 0.1, 0.92)
AFLOAT = ("boat", "lighthouse")
LANE = (0.76, 0.19)
"""Where a road from side to side begins, and its rows, as shares of the height."""
MOODS = {
    "warm": ("ffb070", 0.16), "cold": ("7fa8d8", 0.28), "dreamy": ("e8a8d8", 0.24),
    "neon": ("b040d8", 0.42),
}  # fmt: skip


class Composer:
    """Chooses and places the parts of one scene."""

    def __init__(self, told: Description, view: View, rng: np.random.Generator) -> None:
        self._told, self._view, self._rng = told, view, rng
        self._light = self._lighting()
        self._sun_place = sky.sun_place(view, self._light, float(rng.choice([0.3, 0.62, 0.7])))
        self._snowy = told.has("snow")
        self._wet = self._has_water()
        on_land = any(one.name in STANDING and one.name not in AFLOAT for one in told.things)
        self._ashore = self._asked("beach") or on_land or told.has("fire")
        self._season = colour("a9873f") if "autumn" in told.moods else None

    def elements(self) -> list[Element]:
        """From the back to the front."""
        return [*self._world(), *self._standing(), *self._flying(), *self._weather()]

    # Light

    def _lighting(self) -> Light:
        told = self._told
        light = LIGHTS[self._time()]
        hues = [NAMED[name] for name in told.colours]
        if told.has("storm") or told.has("lightning"):
            light = overcast(light, 0.7, darker=0.42)
        elif told.has("rain") or told.has("overcast"):
            light = overcast(light, 0.6, darker=0.16)
        elif told.has("fog") or told.has("snow"):
            light = overcast(light, 0.45)
        for mood in told.moods:
            if mood in MOODS:
                code, amount = MOODS[mood]
                light = tinged(light, colour(code), amount)
        if hues:
            light = tinged(light, hues[0], 0.45)
        return light

    def _time(self) -> str:
        told = self._told
        if told.time:
            return told.time
        if any(told.has(name) for name in ("moon", "star", "aurora")) or "neon" in told.moods:
            return "night"
        if told.has("fire") or "dramatic" in told.moods:
            return "dusk"
        return "day"

    # Places

    def _asked(self, place: str) -> bool:
        return any(place == one.name for one in self._told.places)

    def _has_water(self) -> bool:
        """Where it is asked for, under boats, and in front of a city that has no ground."""
        dry = [one for one in ("desert", "field", "road", "forest", "hills") if self._asked(one)]
        wet = self._asked("sea") or self._asked("beach")
        return wet or (not dry and (self._told.has("boat") or self._asked("city")))

    def _own(self, name: str) -> Colour | None:
        """The colour that was said of a thing or place."""
        for one in self._told.places + self._told.things:
            if one.name == name and one.colour:
                return NAMED[one.colour]
        return None

    def _world(self) -> Iterator[Element]:
        told, view, rng = self._told, self._view, self._rng
        if self._abstract():
            yield worlds.Flow(view, rng, [NAMED[name] for name in told.colours])
        elif self._asked("space") or (told.has("planet") and not told.places):
            yield from self._space()
        elif self._asked("underwater") or (told.has("fish") and not told.places):
            yield from worlds.underwater(rng, view, self._own("underwater"))
        elif self._asked("room"):
            yield from worlds.room(rng, view, self._light, self._own("room"))
        else:
            yield from self._landscape()

    def _abstract(self) -> bool:
        told = self._told
        nothing = not (told.things or told.places or told.weather or told.time)
        return self._asked("abstract") or nothing

    def _space(self) -> Iterator[Element]:
        view, rng = self._view, self._rng
        hues = [NAMED[name] for name in self._told.colours]
        yield from worlds.space(rng, view, self._own("space") if not hues else hues[0])
        asked = [one for one in self._told.things if one.name in ("planet", "moon", "sun")]
        for index, (x, one) in enumerate(zip(THIRDS, self._each(asked, 5), strict=False)):
            radius = round(view.height * (0.2 if index == 0 else rng.uniform(0.05, 0.1)))
            place = (x * view.width, view.height * rng.uniform(0.3, 0.6))
            own = NAMED[one.colour] if one.colour else None
            yield worlds.planet(rng, view, place, radius, own)

    def _landscape(self) -> Iterator[Element]:
        yield from self._sky()
        yield from self._horizon()
        yield from self._ground()

    def _sky(self) -> Iterator[Element]:
        told, view, rng, light = self._told, self._view, self._rng, self._light
        yield sky.backdrop(rng, view, light)
        covered = self._covered()
        if light.dark and not covered:
            yield from sky.stars(rng, view, rows=view.horizon)
        if told.has("aurora"):
            yield sky.aurora(rng, view)
        if light.dark or told.has("moon"):
            if not covered or told.has("moon"):
                yield from sky.moon(
                    rng, view, light, self._sun_place, "crescent" in told.understood
                )
        elif not covered and not told.has("fog") and not told.has("snow"):
            yield from sky.sun(view, light, self._sun_place)
        yield from sky.clouds(rng, view, light, self._cover(covered))
        if told.has("rainbow"):
            yield sky.rainbow(view)

    def _covered(self) -> bool:
        return any(self._told.has(name) for name in ("storm", "rain", "overcast", "lightning"))

    def _cover(self, covered: bool) -> float:
        if covered:
            return 1.25
        if self._told.has("cloud"):
            return 0.75
        return 0.22 if self._light.dark else 0.4

    def _horizon(self) -> Iterator[Element]:
        view, rng, light = self._view, self._rng, self._light
        if self._asked("mountains"):
            yield from ranges.mountains(rng, view, light, self._own("mountains"), snowy=self._snowy)
        if self._asked("hills") or not any(self._asked(one) for one in (*HIGH, "sea", "beach")):
            yield from ranges.hills(
                rng,
                view,
                light,
                self._own("hills") if self._own("hills") is not None else self._season,
            )
        if self._asked("city"):
            neon = "neon" in self._told.moods
            yield from ranges.city(rng, view, light, self._own("city"), neon=neon)
        if self._asked("forest"):
            yield from ranges.forest(
                rng, view, light, self._own("forest"),
                snowy=self._snowy, low=self._asked("mountains"),
            )  # fmt: skip

    def _ground(self) -> Iterator[Element]:
        view, rng, light = self._view, self._rng, self._light
        if self._wet:
            shore = round(view.height * SHORE)
            bottom = shore + round(view.height * 0.14) if self._ashore else view.height
            gleam = 0.2 if self._covered() else 1.0
            yield grounds.Water(
                view, light, rng, self._own("sea"), self._sun_place[0], gleam, bottom
            )
            if self._ashore:
                yield from grounds.beach(rng, view, light, shore, self._own("beach"))
        elif self._asked("desert"):
            yield from grounds.desert(rng, view, light, self._own("desert"))
        else:
            own = self._own("field") if self._own("field") is not None else self._season
            yield from grounds.field(rng, view, light, own, snowy=self._snowy)
        if self._told.has("car"):
            top, rows = (round(view.height * share) for share in LANE)
            yield from grounds.lane(rng, view, light, top, rows)
        elif self._asked("road"):
            yield from grounds.road(rng, view, light, view.width * 0.5)

    # Things

    def _each(self, asked: list[Named], most: int = 24) -> list[Named]:
        """One for each that is asked for."""
        return [one for one in asked for _ in range(one.count or 1)][:most]

    def _standing(self) -> list[Element]:
        told = self._told
        asked = self._each([one for one in told.things if one.name in STANDING])
        if told.caption and not any(one.name == "sign" for one in asked):
            asked.insert(0, Named("sign"))
        if not asked and not told.things:
            asked = self._about()
        made = [self._placed(one, index, len(asked)) for index, one in enumerate(asked)]
        made.sort(key=lambda pair: pair[1].near)
        fires = self._each([one for one in told.things if one.name == "fire"], 5)
        flames: list[Element] = []
        for index in range(len(fires)):
            x = (0.5, 0.2, 0.8, 0.35, 0.65)[index] * self._view.width
            size = round(self._view.height * (0.3 if len(fires) == 1 else 0.18))
            flames += weather.fire(self._rng, self._view, (x, self._view.height * 0.9), size)
        return [*(one for pair in made for one in pair), *flames]

    def _about(self) -> list[Named]:
        for place, name in BY_PLACE.items():
            if self._asked(place) and not self._snowy:
                return [Named(name, colour=None)] * (9 if name == "flower" else 2)
        return []

    def _placed(self, one: Named, index: int, count: int) -> tuple[Sprite, Sprite]:
        """A thing and its shadow: few stand large and by thirds, many spread over the depth."""
        view, rng = self._view, self._rng
        painter, tall = STANDING[one.name]
        few = count <= 2
        golden = (index * 0.618 + rng.random() * 0.1 + 0.2) % 1
        x = THIRDS[index] if few else 0.04 + 0.92 * golden
        near = 0.72 - 0.12 * index if few else 0.2 + 0.68 * ((index * 0.754877 + 0.3) % 1)
        scale = (0.45 + 0.75 * near) * (1.25 if count == 1 else 1.0)
        height = max(8, round(view.height * tall * scale))
        sheet = painter(rng, height, self._light, self._colour(one))
        if one.name == "sign" and self._told.caption:
            write(sheet, self._told.caption)
        left, foot = x * view.width - sheet.shape[1] / 2, self._foot(one.name, near)
        path = self._path(one.name, near)
        return self._below(one.name, sheet, left, foot, near, path), Sprite(
            sheet, left, foot - height, near, path
        )

    def _colour(self, one: Named) -> Colour | None:
        if one.colour:
            return NAMED[one.colour]
        if one.name == "tree" and self._season is not None:
            return mixed(colour("c2541f"), colour("d9a02f"), self._rng.random())
        return None

    def _below(
        self, name: str, sheet: Sheet, left: float, foot: float, near: float, path: Path
    ) -> Sprite:
        """The mirror image of what floats, else a shadow."""
        rows, columns = sheet.shape[:2]
        if name == "boat":
            fade = np.linspace(0.5, 0, rows // 2)[:, None, None]
            mirrored = sheet[::-1][: rows // 2] * fade
            return Sprite(mirrored.astype(np.uint8), left, foot - rows * 0.03, near, path)
        tall = max(3, rows // 14)
        y, x = np.mgrid[-1 : 1 : tall * 2j, -1 : 1 : columns * 1j].astype(np.float32)
        dark = np.zeros((tall * 2, columns, 4), np.uint8)
        dark[..., 3] = (110 * np.clip(1 - x**2 - y**2, 0, 1)).astype(np.uint8)
        return Sprite(dark, left, foot - tall * 1.15, near, path)

    def _foot(self, name: str, near: float) -> float:
        view = self._view
        top, bottom = view.horizon / view.height, 0.985
        if self._wet and self._ashore:
            top, bottom = (top, SHORE + 0.02) if name in AFLOAT else (SHORE + 0.06, bottom)
        elif name == "boat":
            near *= 0.6
        if name == "car":
            top, bottom = LANE[0] + 0.02, LANE[0] + LANE[1] * 0.95
        return view.height * (top + (bottom - top) * near)

    def _path(self, name: str, near: float) -> Path:
        unit = self._view.height
        if name == "boat":
            return lambda t: (0.012 * unit * t, 0.006 * unit * float(np.sin(1.4 * t + near * 9)))
        if name == "car":
            return lambda t: (0.16 * unit * (0.5 + near) * t, 0.0)
        return resting

    def _flying(self) -> Iterator[Element]:
        told, view, rng, light = self._told, self._view, self._rng, self._light
        for one in told.things:
            own = NAMED[one.colour] if one.colour else None
            if one.name == "bird":
                yield from animals.birds(rng, view, light, one.count or 3, own)
            elif one.name == "fish":
                yield from animals.school(rng, view, light, one.count or 6, own)
        floating = self._each([one for one in told.things if one.name == "balloon"])
        yield from (self._balloon(one, index, len(floating)) for index, one in enumerate(floating))

    def _balloon(self, one: Named, index: int, count: int) -> Sprite:
        view, rng = self._view, self._rng
        size = view.height * (0.42 if count == 1 else 0.3 / (1 + 0.28 * index) + 0.05)
        sheet = things.balloon(
            rng, round(size), self._light, NAMED[one.colour] if one.colour else None
        )
        x = THIRDS[index % 7] * view.width + rng.uniform(-0.03, 0.03) * view.width
        y = view.horizon * (0.12 + 0.45 * ((index * 0.618) % 1))
        rise, phase = view.height * 0.008, rng.uniform(0, 6.3)
        return Sprite(
            sheet, x - sheet.shape[1] / 2, y, 0.15 + 0.3 / (1 + index),
            lambda t: (rise * 0.6 * t, rise * (float(np.sin(0.7 * t + phase)) - 0.8 * t)),
        )  # fmt: skip

    def _weather(self) -> Iterator[Element]:
        told, view, rng, light = self._told, self._view, self._rng, self._light
        if told.has("lightning") or told.has("storm"):
            yield weather.Lightning(view, int(rng.integers(2**31)))
        if told.has("fog"):
            yield from weather.fog(rng, view, light)
        if told.has("rain") or told.has("storm"):
            yield from weather.rain(rng, view, light)
        if told.has("snow"):
            yield from weather.snowfall(rng, view, light)


def write(sheet: Sheet, text: str) -> None:
    """Write on a sign, as large as fits."""
    face = cv2.FontFace("sans")
    rows, columns = sheet.shape[:2]
    size = rows
    while size > 4:
        box = cv2.getTextSize((0, 0), text, (0, 0), face, size, 600)
        if box[2] <= columns * 0.82 and box[3] <= rows * 0.42:
            break
        size = int(size * 0.9)
    left = round((columns - box[2]) / 2 - box[0])
    base = round(rows * 0.355 - box[3] / 2 - box[1])
    cv2.putText(sheet, text, (left, base), (38, 34, 40, 255), face, size, 600)
