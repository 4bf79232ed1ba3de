"""What the draft engine understands of a prompt: layers of sound, how loud, how fast, how sad."""

import re
from dataclasses import dataclass, replace
from functools import cache

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


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


NEGATIONS = _words("no not without minus")
LOUDER = _words("heavy loud strong big massive intense roaring violent powerful")
SOFTER = _words("light gentle soft quiet distant faint subtle calm far small slight")
EMPHASIS_DB = 5.0
MINOR = _words(
    "sad dark minor melancholy melancholic gloomy tense tension scary horror eerie lonely grief "
    "suspense mysterious creepy tragic sombre somber"
)
SLOW = _words("slow calm relaxing sad lullaby meditation gentle ballad peaceful")
FAST = _words("fast upbeat energetic techno action chase happy dance edm quick rock")
USUAL_TEMPO, SLOW_TEMPO, FAST_TEMPO = 96, 66, 128
TEMPI = (40, 220)
_TOKENS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_TEMPO = re.compile(r"\b(\d{2,3})\s*bpm\b")
_ENDING = re.compile(r"(?<=...)(?:ing|(?<=ch)es|s|y)$")
"""``rainy``, ``raining`` and ``rains`` are ``rain``."""


@dataclass(frozen=True)
class Part:
    """One layer of the scene."""

    layer: str
    gain_db: float = 0.0


@dataclass(frozen=True)
class Scene:
    """All that was understood; no parts where nothing was."""

    parts: tuple[Part, ...]
    tempo: int
    """Beats a minute."""
    minor: bool


def understood(prompt: str) -> Scene:
    """The scene that an English prompt describes; ``no drums`` keeps the drums out."""
    text = prompt.lower()
    words = _TOKENS.findall(text)
    return Scene(
        parts=_parts(words)[:MAX_LAYERS],
        tempo=_tempo(text, words),
        minor=not MINOR.isdisjoint(words),
    )


def _parts(words: list[str]) -> tuple[Part, ...]:
    found: dict[str, Part] = {}
    refused: set[str] = set()
    gain_db, negated = 0.0, False
    for word in words:
        layers = _layers().get(word) or _layers().get(_ENDING.sub("", word), ())
        if negated:
            refused.update(layers)
        for layer in () if negated else layers:
            louder = replace(found.get(layer, Part(layer)), gain_db=gain_db)
            found[layer] = louder if gain_db else found.get(layer, louder)
        gain_db = 0.0 if layers else _emphasis(word, gain_db)
        negated = word in NEGATIONS or (negated and not layers)
    return tuple(part for layer, part in found.items() if layer not in refused)


def _emphasis(word: str, gain_db: float) -> float:
    if word in LOUDER:
        return EMPHASIS_DB
    return -EMPHASIS_DB if word in SOFTER else gain_db


def _tempo(text: str, words: list[str]) -> int:
    said = _TEMPO.search(text)
    if said:
        return min(max(int(said[1]), TEMPI[0]), TEMPI[1])
    if not SLOW.isdisjoint(words):
        return SLOW_TEMPO
    return USUAL_TEMPO if FAST.isdisjoint(words) else FAST_TEMPO


@cache
def _layers() -> dict[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for layer, words in VOCABULARY.items():
        for word in words.split():
            index[word] = (*index.get(word, ()), layer)
    return index
