"""What the draft engine understands of a prompt: layers of sound, how loud, how fast, how sad."""

import re
from dataclasses import dataclass
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
"""The words, by the layer of sound that each of them calls for; a word may call for several."""

MAX_LAYERS = 8
NEGATIONS = {"no", "not", "without", "minus"}
EMPHASIS_DB = 5.0
EMPHASES = {
    EMPHASIS_DB: "heavy loud strong big massive intense roaring violent powerful",
    -EMPHASIS_DB: "light gentle soft quiet distant faint subtle calm far small slight",
}
"""The words, by the gain that they give to the next layer."""
USUAL_TEMPO, SLOW_TEMPO, FAST_TEMPO = 96, 66, 128
PACES = {
    SLOW_TEMPO: "slow calm relaxing sad lullaby meditation gentle ballad peaceful",
    FAST_TEMPO: "fast upbeat energetic techno action chase happy dance edm quick rock",
}
"""The words, by the tempo that they ask for."""
MINOR = """
    sad dark minor melancholy melancholic gloomy tense tension scary horror eerie lonely grief
    suspense mysterious creepy tragic sombre somber
"""
TEMPI = (40, 220)
_TOKENS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_TEMPO = re.compile(r"\b(\d{2,3})\s*bpm\b")
_ENDING = re.compile(r"(?<=...)(?:ing|(?<=ch)es|s|y)$")
"""``rainy``, ``raining`` and ``rains`` are ``rain``."""


@dataclass(frozen=True)
class Scene:
    """All that was understood."""

    layers: dict[str, float]
    """The gain of each in decibels, in the prompt's order; empty where nothing was understood."""
    tempo: int
    """Beats a minute."""
    minor: bool


def understood(prompt: str) -> Scene:
    """The scene that an English prompt describes; ``no drums`` keeps the drums out."""
    text = prompt.lower()
    words = _TOKENS.findall(text)
    return Scene(
        layers=dict(list(_layers(words).items())[:MAX_LAYERS]),
        tempo=_tempo(text, words),
        minor=not set(MINOR.split()).isdisjoint(words),
    )


def _layers(words: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    refused: set[str] = set()
    gain_db, negated = 0.0, False
    for word in words:
        layers = _meant(VOCABULARY, word) or _meant(VOCABULARY, _ENDING.sub("", word))
        if negated:
            refused.update(layers)
        else:
            found |= {layer: gain_db or found.get(layer, 0.0) for layer in layers}
        gain_db = 0.0 if layers else next(iter(_meant(EMPHASES, word)), gain_db)
        negated = word in NEGATIONS or (negated and not layers)
    return {layer: gain_db for layer, gain_db in found.items() if layer not in refused}


def _tempo(text: str, words: list[str]) -> int:
    """What is said in beats a minute, else the slowest of the words' tempi."""
    said = _TEMPO.search(text)
    if said:
        return min(max(int(said[1]), TEMPI[0]), TEMPI[1])
    return min((pace for word in words for pace in _meant(PACES, word)), default=USUAL_TEMPO)


def _meant(table: dict[T, str], word: str) -> list[T]:
    return [meaning for meaning, words in table.items() if word in words.split()]
