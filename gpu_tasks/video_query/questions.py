"""What an English question asks for, by simple rules: topics, and the words to look for."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What the draft engine can say something about."""

    SPEECH = "speech"
    TEXT = "text"
    FACES = "faces"
    CUTS = "cuts"
    COLOUR = "colour"
    BRIGHTNESS = "brightness"
    MOTION = "motion"
    LENGTH = "length"


RULES: tuple[tuple[Topic, str], ...] = (
    (Topic.SPEECH, r"sa(y|ys|id|ying)|sp[eo]ak\w*|spoke|talk\w*|mention\w*|words?|hear\w*|heard"),
    (Topic.SPEECH, r"tells?|told|speech|discuss\w*|explain\w*|transcript|voices?|sentences?"),
    (Topic.TEXT, r"text|written|captions?|subtitles?|titles?|signs?|letters?|on[- ]screen"),
    (Topic.FACES, r"faces?|person|people|somebody|someone|anybody|anyone|m[ae]n|wom[ae]n|who"),
    (Topic.CUTS, r"cuts?|shots?|scenes?|edits?|transitions?"),
    (Topic.COLOUR, r"colou?r\w*"),
    (Topic.BRIGHTNESS, r"(bright|dark|light)(er|est|ness|ing)?|black|white|exposure|night|dim"),
    (Topic.MOTION, r"mov(e|es|ed|ing|ement|ements)|motion|still|static|fr[eo]\wzen?|action|calm"),
    (Topic.LENGTH, r"how long|length|duration|last|lasts|minutes|seconds"),
)
_QUOTED = re.compile(r"[\"“‘]([^\"“”‘’]+)[\"”’]|(?<!\w)'([^']+)'(?!\w)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SUFFIXES = ("'s", "’s", "ing", "ed", "s")
_STEM = 4
"""No suffix is taken from a word that would be shorter than this."""
_COMMON_WORDS = """
    a about again all an and any are as at be been by can clip could did do does during each film
    first footage for from get gets give had has have he her him his how i if in is it its last
    list long many me movie much name of off often on one or our out please recording she show
    shown shows so some than that the their them then there they thing this time times to topic
    us was we were what when where whether which while why will with would you your video
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_SMALL_WORDS = "a an and at by for he her him his in it of on or she that the them this"
_SMALL = frozenset(_SMALL_WORDS.split())


@dataclass(frozen=True)
class Question:
    """A question as the rules understand it."""

    topics: tuple[Topic, ...]
    """What it asks about, in the order of the rules; none where they do not understand it."""
    wanted: tuple[str, ...]
    """The words to look for in the transcript."""
    counts: bool
    """Whether it asks how often."""


def understand(text: str) -> Question:
    """The topics and search words of a question."""
    asked = text.lower()
    rules = [(topic, rf"\b(?:{pattern})\b") for topic, pattern in RULES]
    topics = _topics(asked.partition(" about ")[0], rules) or _topics(asked, rules)
    quoted = _WORD.findall(" ".join(one or other for one, other in _QUOTED.findall(asked)))
    return Question(
        topics=topics,
        wanted=tuple(dict.fromkeys(quoted or _subject(asked) or _telling(asked, rules))),
        counts=bool(re.search(r"\bhow (many times|often)\b", asked)),
    )


def stems(text: str) -> list[str]:
    """The words of a text, in lower case and without their usual endings."""
    return [_stem(word) for word in _WORD.findall(text.lower())]


def _topics(asked: str, rules: list[tuple[Topic, str]]) -> tuple[Topic, ...]:
    return tuple(dict.fromkeys(topic for topic, rule in rules if re.search(rule, asked)))


def _subject(asked: str) -> list[str]:
    """The words after "about", common ones too: who asks for the film does not mean all of it."""
    words = _WORD.findall(asked.partition(" about ")[2])
    return [word for word in words if word not in _SMALL]


def _telling(asked: str, rules: list[tuple[Topic, str]]) -> list[str]:
    """The words that are neither common nor name a topic."""
    words = [word for word in _WORD.findall(asked) if word not in _COMMON]
    return [word for word in words if not any(re.fullmatch(pattern, word) for _, pattern in rules)]


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _STEM:
            word = word.removesuffix(suffix)
            break
    return word[:-1] if word.endswith("e") and len(word) >= _STEM else word
