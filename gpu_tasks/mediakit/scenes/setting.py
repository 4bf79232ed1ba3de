"""The setting of a scene: what follows from its description for all of its parts."""

from dataclasses import dataclass

from gpu_tasks.mediakit.scenes import animals, things
from gpu_tasks.mediakit.scenes.colours import LIGHTS, NAMED, Colour, Light, colour, overcast, tinged
from gpu_tasks.mediakit.scenes.elements import View
from gpu_tasks.mediakit.scenes.words import Description, Named

STANDING = things.STANDING | animals.STANDING
"""What stands on the ground or floats on water: its painter, and its height near by."""
AFLOAT = ("boat", "lighthouse")
COVERING = ("storm", "lightning", "rain", "overcast")
"""Weather that hides sun and stars."""
MOODS = {
    "warm": ("ffb070", 0.16),
    "cold": ("7fa8d8", 0.28),
    "dreamy": ("e8a8d8", 0.24),
    "neon": ("b040d8", 0.42),
}
"""The colour that a mood draws the light to, and how much."""
SAID_COLOUR = 0.45
"""How much a colour that was said of nothing draws the light to it."""
VIVIDNESS = 0.4
"""How much further from grey colours are, where they are to be vivid."""
AUTUMN = colour("a9873f")


@dataclass(frozen=True)
class Setting:
    """A description, and how it is to be shown."""

    told: Description
    view: View
    light: Light

    @property
    def kind(self) -> str:
        """`abstract`, `space`, `underwater`, `room` or `landscape`."""
        told = self.told
        for place in ("abstract", "space", "underwater", "room"):
            if self.asked(place):
                return place
        if not (told.things or told.places or told.weather or told.time or told.caption):
            return "abstract"
        for thing, place in (("planet", "space"), ("fish", "underwater")):
            if told.has(thing) and not told.places:
                return place
        return "landscape"

    def asked(self, place: str) -> bool:
        """Whether the place is one of those asked for."""
        return any(place == one.name for one in self.told.places)

    def own(self, name: str) -> Colour | None:
        """The colour that was said of a thing or place."""
        for one in self.told.places + self.told.things:
            if one.name == name and one.colour:
                return NAMED[one.colour]
        return None

    @property
    def hues(self) -> list[Colour]:
        """The colours that were said of nothing, else those of the moods."""
        said = [NAMED[name] for name in self.told.colours]
        return said or [colour(MOODS[mood][0]) for mood in self.told.moods if mood in MOODS]

    @property
    def snowy(self) -> bool:
        """Whether snow lies."""
        return self.told.has("snow")

    @property
    def season(self) -> Colour | None:
        """The colour of grass, where it is not green."""
        return AUTUMN if "autumn" in self.told.moods else None

    @property
    def covered(self) -> bool:
        """Whether clouds hide the sky."""
        return any(self.told.has(name) for name in COVERING)

    @property
    def wet(self) -> bool:
        """Water: asked for, under boats, and in front of a city that has no other ground."""
        if self.asked("sea") or self.asked("beach"):
            return True
        dry = any(self.asked(one) for one in ("desert", "field", "road", "forest", "hills"))
        return not dry and (self.told.has("boat") or self.asked("city"))

    @property
    def ashore(self) -> bool:
        """Whether there must be land in front of the water."""
        grounded = [one for one in self.told.things if one.name in STANDING]
        on_land = any(one.name not in AFLOAT for one in grounded) or bool(self.told.caption)
        return self.asked("beach") or on_land or self.told.has("fire")


def setting_of(told: Description, view: View) -> Setting:
    """The setting with its light: by the hour, then the weather, moods and colours."""
    light = LIGHTS[_hour(told)]
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
    if "vivid" in told.moods:
        light = overcast(light, -VIVIDNESS)
    if told.colours:
        light = tinged(light, NAMED[told.colours[0]], SAID_COLOUR)
    return Setting(told, view, light)


def _hour(told: Description) -> str:
    if told.time:
        return told.time
    if any(told.has(name) for name in ("moon", "star", "aurora")) or "neon" in told.moods:
        return "night"
    if told.has("fire") or "dramatic" in told.moods:
        return "dusk"
    return "day"


def each(asked: list[Named], most: int) -> list[Named]:
    """One for each that is asked for, ``most`` at most."""
    return [one for one in asked for _ in range(one.count or 1)][:most]
