"""What a prompt asks for, by its words: things, places, hours, weather, moods and colours."""

import re
from dataclasses import dataclass, field

MAX_OF_A_KIND = 24
SEVERAL = 5
QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{1,60})[\"“”«»]|(?<!\w)['‘]([^'‘’]{1,60})['’](?!\w)")
WORD = re.compile(r"[^\W_]+(?:['’]\w+)?")
LONGEST_TERM = 3


def _pairs(table: str) -> dict[str, str]:
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


NUMBERS = _pairs("""
    one 1  single 1  lone 1  lonely 1  two 2  pair 2  both 2  three 3  few 3  four 4  five 5
    several 5  some 5  six 6  seven 7  eight 8  nine 9  ten 10  twelve 12  dozen 12  many 12
    lots 12  flock 14  swarm 14  school 14  herd 14  hundreds 14  countless 14  fleet 14
""")
COLLECTIVES = _pairs("""
    couple 2  men 3  women 3  people 4  children 4  village 5  geese 5  crowd 12
""")
"""Words for several of a kind, and how many are shown."""
CODES = _pairs("""
    red d13b3b  crimson a8213a  scarlet d92f1f  orange ec8033  yellow f3cb42  golden e8b23f
    gold e8b23f  green 4f9a4a  emerald 2f9e6b  lime 9bcb3c  teal 2a8c8c  turquoise 3cc3bd
    cyan 35c0d8  blue 3a72c8  navy 1d2f5e  indigo 48409a  purple 7d4bb0  violet 8f5cc4
    lavender b9a4e0  magenta c83f9d  pink ee8fb4  rose e2708f  white f3f2ee  silver b9c0c8
    grey 8b9096  gray 8b9096  black 24252b  brown 7a5437  beige d8c6a2  cream f3e7cb
    bronze a3743c  copper b86b43
""")
"""The words for colours, and what they are in hexadecimal."""

_TERMS = {
    "time": {
        "day": "daytime noon midday afternoon daylight sunny sunlit summer bright",
        "sunrise": "dawn morning daybreak",
        "sunset": "evening sundown golden_hour",
        "dusk": "twilight blue_hour nightfall",
        "night": "midnight nighttime moonlit starry nocturnal dark",
    },
    "weather": {
        "rain": "rainy raining rainfall drizzle downpour shower wet",
        "storm": "stormy thunderstorm thunder tempest hurricane",
        "lightning": "lightning_bolt thunderbolt",
        "snow": "snowy snowfall snowing blizzard winter wintry snowflake",
        "fog": "foggy mist misty haze hazy smoke smoky",
        "overcast": "cloudy gloomy grey_sky gray_sky",
        "aurora": "northern_lights aurora_borealis polar_lights",
    },
    "place": {
        "sea": "ocean seaside waves wave water bay harbour harbor coast lake river lagoon surf",
        "beach": "shore seashore island tropical",
        "forest": "woods woodland jungle grove pines rainforest",
        "mountains": "mountain alps peak summit cliff canyon himalaya volcano valley glacier",
        "hills": "hill countryside rolling_hills highland",
        "city": "skyline city_skyline cityscape downtown skyscraper metropolis tower urban town "
        "new_york tokyo london paris building",
        "desert": "dune sahara sand",
        "field": "meadow grass grassland prairie farm garden park pasture lawn savanna lavender",
        "road": "street highway path avenue motorway lane",
        "room": "interior indoors kitchen bedroom living_room office studio window desk table",
        "space": "outer_space galaxy cosmos universe nebula cosmic milky_way orbit starfield",
        "underwater": "under_water coral reef coral_reef deep_sea seabed aquarium under_the_sea",
        "abstract": "pattern fractal psychedelic texture swirl geometric gradient surreal",
    },
    "thing": {
        "sun": "sunshine sunlight",
        "moon": "full_moon crescent moonlight",
        "star": "shooting_star constellation",
        "cloud": "",
        "tree": "oak birch maple willow apple_tree cherry_tree",
        "pine": "fir spruce conifer christmas_tree pine_tree",
        "palm": "palm_tree coconut",
        "flower": "rose tulip daisy poppy sunflower blossom wildflower bloom",
        "bird": "seagull gull eagle crow raven swallow dove pigeon goose geese hawk",
        "fish": "shark goldfish dolphin whale tropical_fish",
        "boat": "sailboat sailing_boat ship yacht sail vessel fishing_boat canoe",
        "car": "automobile taxi vehicle truck bus van",
        "person": "man woman girl boy child kid people human figure silhouette hiker traveller "
        "traveler lover wanderer couple astronaut crowd men women children she he",
        "balloon": "hot_air_balloon air_balloon",
        "house": "home cottage cabin hut village barn farmhouse church",
        "fire": "campfire bonfire flame flames burning fireplace",
        "planet": "saturn mars jupiter earth world",
        "rainbow": "",
        "cat": "kitten kitty",
        "dog": "puppy wolf fox hound",
        "horse": "pony deer stallion unicorn cow elk",
        "sign": "signboard billboard poster placard",
        "lighthouse": "",
        "windmill": "wind_turbine",
    },
    "mood": {
        "warm": "cosy cozy romantic happy joyful nostalgic",
        "autumn": "autumnal fall october november",
        "cold": "icy frozen cool arctic frosty sad melancholy lonely",
        "dreamy": "magical fantasy ethereal soft pastel serene calm peaceful tranquil",
        "dramatic": "epic cinematic moody intense apocalyptic ominous",
        "neon": "cyberpunk futuristic synthwave retro vaporwave",
        "vivid": "colourful colorful vibrant bright_colours rainbow_coloured",
    },
}

VOCABULARY = {
    " ".join(word.split("_")): (kind, name)
    for kind, names in _TERMS.items()
    for name, words in names.items()
    for word in (name, *words.split())
}
"""Every term that is understood, with its kind and the name of what it means."""


@dataclass(frozen=True)
class Named:
    """A thing or place of the prompt, with how many there are and in which colour, if said."""

    name: str
    count: int | None = None
    colour: str | None = None


@dataclass
class Description:
    """What was understood of a prompt, in its order."""

    things: list[Named] = field(default_factory=list)
    places: list[Named] = field(default_factory=list)
    time: str | None = None
    weather: list[str] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    """Those that were said of no thing."""
    caption: str | None = None
    """What stood in quotes: to be written on a sign."""
    understood: list[str] = field(default_factory=list)
    """The words, each once."""

    def has(self, name: str) -> bool:
        """Whether a thing, a place or a weather of this name is asked for."""
        return name in self.weather or any(name == one.name for one in self.things + self.places)


def describe(prompt: str) -> Description:
    """Read a prompt; words that are not known are passed over."""
    reader = _Reader()
    quoted = QUOTED.search(prompt)
    if quoted:
        reader.told.caption = (quoted[1] or quoted[2]).strip() or None
        prompt = f"{prompt[: quoted.start()]} {prompt[quoted.end() :]}"
    words = [word.lower() for word in WORD.findall(prompt)]
    at = 0
    while at < len(words):
        at += reader.read(words[at : at + LONGEST_TERM])
    return reader.end()


class _Reader:
    """Keeps the count and the colour that belong to the next thing."""

    def __init__(self) -> None:
        self.told = Description()
        self._count: int | None = None
        self._colour: str | None = None

    def read(self, words: list[str]) -> int:
        """Take the longest term that begins with these words; how many it has."""
        for length in range(len(words), 0, -1):
            text = " ".join(words[:length])
            for singular in _singulars(text):
                if singular in VOCABULARY:
                    kind, name = VOCABULARY[singular]
                    self._understand(text)
                    # A rose is a flower of its colour, lavender a field of its own.
                    if singular in CODES:
                        self._colour = self._colour or singular
                    several = int(COLLECTIVES.get(singular, SEVERAL if singular != text else 0))
                    self._take(kind, name, several)
                    return length
        self._describe(words[0])
        return 1

    def end(self) -> Description:
        """What was told, once all is read."""
        if self._colour:
            self.told.colours.append(self._colour)
        return self.told

    def _understand(self, text: str) -> None:
        if text not in self.told.understood:
            self.told.understood.append(text)

    def _describe(self, word: str) -> None:
        if word in NUMBERS or word.isdecimal():
            self._count = min(int(NUMBERS.get(word, word[:3])), MAX_OF_A_KIND) or None
            self._understand(word)
        elif word in CODES:
            self.end()
            self._colour = word
            self._understand(word)

    def _take(self, kind: str, name: str, several: int) -> None:
        told = self.told
        if kind in ("thing", "place"):
            kept = told.things if kind == "thing" else told.places
            kept.append(Named(name, self._count or several or None, self._colour))
            self._count = self._colour = None
        elif kind == "time":
            told.time = told.time or name
        else:
            listed = told.weather if kind == "weather" else told.moods
            listed += [name] if name not in listed else []


def _singulars(text: str) -> list[str]:
    """The text, and what it may be the plural of."""
    found = [text]
    for ending, instead in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        if text.endswith(ending) and len(text) > len(ending) + 1:
            found.append(text.removesuffix(ending) + instead)
    return found
