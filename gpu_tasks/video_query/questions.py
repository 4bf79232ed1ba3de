"""What an English question asks about: topics, by words that name them, and words to look for."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What the draft engine can say something about: kinds of evidence, and the length."""

    SPEECH = "speech"
    TEXT = "text"
    FACES = "face"
    CUTS = "cut"
    COLOUR = "colour"
    BRIGHTNESS = "brightness"
    MOTION = "motion"
    SOUND = "sound"
    LENGTH = "length"


RULES = {
    Topic.SPEECH: r"sa(y|ys|id)|sp[eo](ak|ke)\w*|talk\w*|mention\w*|words?|hear\w*|speech",
    Topic.TEXT: r"text|written|captions?|subtitles?|titles?|signs?",
    Topic.FACES: r"faces?|person|people|m[ae]n|wom[ae]n|who",
    Topic.CUTS: r"cuts?|shots?|scenes?",
    Topic.COLOUR: r"colou?r\w*",
    Topic.BRIGHTNESS: r"(bright|dark|light)(er|est|ness)?",
    Topic.MOTION: r"mov(e|es|ing|ement)|motion|still",
    Topic.SOUND: r"loud\w*|quiet\w*|silen(ce|t)|music|sounds?|nois(e|y)|volume",
    Topic.LENGTH: r"how long|length|duration|lasts",
}
_RULES = {topic: re.compile(rf"\b(?:{rule})\b") for topic, rule in RULES.items()}
_QUOTED = re.compile(r"[\"“‘]([^\"“”‘’]+)[\"”’]|(?<!\w)'([^']+)'(?!\w)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENDING = re.compile(r"(?<=\w{4})(?:['’]s|ing|ed|es|s|e)$")
_COMMON_WORDS = """
    a about all an and any anything are as at be can clip did do does film first for from get he
    how i in is it last many me of often on or picture she show shown that the their them there
    they thing this time times to video was what when where which why you
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True)
class Question:
    """A question as the rules understand it."""

    topics: tuple[Topic, ...]
    """In the order of the rules; none where they do not understand it."""
    wanted: tuple[str, ...]
    """The words to look for in what is said and written; none where there are no topics."""


def understand(text: str) -> Question:
    """What is quoted is looked for; else the words that are neither common nor name a topic."""
    asked = text.lower()
    quoted = " ".join(one or other for one, other in _QUOTED.findall(asked))
    plain = _QUOTED.sub(" ", asked)
    topics = tuple(topic for topic, rule in _RULES.items() if rule.search(plain))
    telling = [
        word
        for word in _WORD.findall(plain)
        if word not in _COMMON and not any(rule.fullmatch(word) for rule in _RULES.values())
    ]
    wanted = _WORD.findall(quoted) or telling if topics else ()
    return Question(topics, tuple(dict.fromkeys(wanted)))


def stems(text: str) -> list[str]:
    """The words of a text, in lower case and without their usual endings."""
    return [_ENDING.sub("", word) for word in _WORD.findall(text.lower())]
