"""Find the layers of sound that a prompt names, and how loud each of them is."""

import re
from typing import TypeVar

T = TypeVar("T")

VOCABULARY = {
    "rain": "rain drizzle downpour shower monsoon storm thunderstorm raindrop umbrella",
    "wind": "wind breeze gust gale storm hurricane blizzard desert mountain snow howling",
    "sea": "sea wave ocean beach surf shore coast seaside tide harbour harbor",
    "stream": "stream river brook creek water waterfall fountain babbling",
    "fire": "fire campfire fireplace bonfire flame burning crackling crackle torch",
    "thunder": "thunder thunderstorm lightning storm",
    "birds": "bird birdsong forest morning dawn park garden chirp tweet nature spring jungle",
    "crickets": "cricket cicada night insect summer meadow evening",
    "city": "city cities traffic street urban town car highway road honk downtown",
    "crowd": "crowd people babble chatter audience restaurant cafe café market bar voice talking",
    "engine": "engine motor machine truck tractor airplane plane spaceship generator factory",
    "heartbeat": "heart heartbeat pulse",
    "footsteps": "footstep step walking walk running",
    "bells": "bell church chime cathedral carillon",
    "clock": "clock tick ticking watch tock",
    "drone": "drone space cave dungeon hum deep dark underwater ambient ambience",
    "tension": "tension tense suspense suspenseful horror thriller scary eerie danger creepy",
    "pad": "pad synth dream meditation relaxing spa ethereal soundscape lullaby",
    "strings": "string violin cello orchestra orchestral cinematic epic choir film romantic",
    "piano": "piano keyboard music song melody tune ballad jazz classical",
    "guitar": "guitar acoustic folk country ukulele harp lute banjo",
    "bass": "bass funk techno house electronic edm jazz rock",
    "drums": "drum beat percussion hip-hop hiphop lofi techno house rock edm pop rhythm dance",
}
"""The words of each layer of sound; a word may name several layers."""

MAX_LAYERS = 8
NEGATIONS = {"no", "not", "without", "minus"}
EMPHASIS_DB = 5.0
EMPHASES = {
    EMPHASIS_DB: "heavy loud strong big massive intense roaring violent powerful",
    -EMPHASIS_DB: "light gentle soft quiet distant faint subtle calm far small slight",
}
"""The words by the gain that they give to the next layer."""
_TOKENS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ENDING = re.compile(r"(?<=...)(?:ing|(?<=ch)es|s|y)$")
"""``rainy``, ``raining`` and ``rains`` become ``rain``."""


def parse_layers(prompt: str) -> dict[str, float]:
    """Return the gain in decibels of each layer that an English prompt names, in its order.

    ``no drums`` excludes the drums. The result is empty if nothing is understood.
    """
    gains: dict[str, float] = {}
    excluded_layers: set[str] = set()
    gain_db, is_negated = 0.0, False
    for word in _TOKENS.findall(prompt.lower()):
        layers = _list_meanings(VOCABULARY, word) or _list_meanings(
            VOCABULARY, _ENDING.sub("", word)
        )
        if is_negated:
            excluded_layers.update(layers)
        else:
            gains |= {layer: gain_db or gains.get(layer, 0.0) for layer in layers}
        gain_db = 0.0 if layers else next(iter(_list_meanings(EMPHASES, word)), gain_db)
        is_negated = word in NEGATIONS or (is_negated and not layers)
    included_layers = [
        (layer, gain_db) for layer, gain_db in gains.items() if layer not in excluded_layers
    ]
    return dict(included_layers[:MAX_LAYERS])


def _list_meanings(table: dict[T, str], word: str) -> list[T]:
    return [meaning for meaning, words in table.items() if word in words.split()]
