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
    SOUND = "sound"
    LENGTH = "length"


class Pick(StrEnum):
    """Which one of several a question asks for."""

    FIRST = "first"
    LAST = "last"
    LONGEST = "longest"
    SHORTEST = "shortest"


_TEXT = r"text|written|captions?|subtitles?|titles?|signs?|letters?|on[- ]screen"
RULES: tuple[tuple[Topic, str], ...] = (
    (Topic.SPEECH, r"sa(y|ys|id|ying)|sp[eo]ak\w*|spoken?|talk\w*|mention\w*|words?|hear\w*|heard"),
    (Topic.SPEECH, r"tells?|told|speech|discuss\w*|explain\w*|transcript|voices?|sentences?"),
    (Topic.SPEECH, r"languages?"),
    (Topic.TEXT, _TEXT),
    (Topic.FACES, r"faces?|person|people|somebody|someone|anybody|anyone|m[ae]n|wom[ae]n|who"),
    (Topic.CUTS, r"cuts?|shots?|scenes?|edits?|transitions?"),
    (Topic.COLOUR, r"colou?r\w*"),
    (Topic.BRIGHTNESS, r"(bright|dark|light)(er|est|ness|ing)?|black|white|exposure|night|dim"),
    (Topic.MOTION, r"mov(e|es|ed|ing|ement|ements)|motion|still|static|fr[eo]\wzen?|action|calm"),
    (Topic.SOUND, r"loud\w*|quiet\w*|silen(ce|t)|music|sounds?|nois(e|es|y)|volume|audio"),
    (Topic.LENGTH, r"how (long|many (minutes|seconds))|length|duration|lasts|(it|film|video) last"),
)
_QUOTED = re.compile(r"[\"“‘]([^\"“”‘’]+)[\"”’]|(?<!\w)'([^']+)'(?!\w)")
_SUBJECT = re.compile(
    r"\babout (?=.*\w)|\b(?:mention(?:s|ing)?|the word) (?=\w)"
    r"|\bsay (?!(?:first|last|next|now|then|again|else|here|there|exactly)\b)(?=[^\W_]+\W*$)"
)
"""What the words to look for stand behind; behind "say", only the one that ends a question."""
_WRITTEN = re.compile(rf"\bdo(?:es)? (?:\w+ ){{0,2}}(?:{_TEXT})(?: \w+){{0,4}} say\b")
"""What is said by what is written, and by nobody."""
_PICK = re.compile(
    rf"(?<!it )(?<!film )(?<!video )\b({'|'.join(Pick)})\b(?! (?:night|week|month|year|name)\b)"
)
_TIME = re.compile(
    r"\b\d+:\d\d\b|\b(?:first|last|after|before) (?:\w+ )?(?:seconds?|minutes?|half)\b"
)
"""Times that are asked for: answers tell of all times, so that these are no words to look for."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SUFFIXES = ("'s", "’s", "ing", "ed", "s")
_STEM = 4
"""No suffix is taken from a word that would be shorter than this."""
_COMMON_WORDS = """
    a about after again all an and any appear appears are as at be been before by can clip could
    describe description did do does during each film first footage for from get gets give had
    happen happening happens has have he her him his how i if in is it its last list long many me
    minutes movie much name of off often on one or our out overview part parts picture pictures
    please recording second seconds she show shown shows so some summarise summarize summary than
    that the their them then there they thing this time times to topic us video was we were what
    when where whether which while why will with would you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_SMALL_WORDS = """
    a about an and anything at by for he her him his in it of on or she something that the them this
"""
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
    pick: Pick | None = None
    """Which one of what is found it asks for; None for all of it."""


def understand(text: str) -> Question:
    """The topics and search words of a question."""
    asked = text.lower()
    quoted = _WORD.findall(" ".join(one or other for one, other in _QUOTED.findall(asked)))
    plain = _TIME.sub(" ", _QUOTED.sub(" ", asked))
    before, subject = _parted(plain)
    rules = [(topic, rf"\b(?:{pattern})\b") for topic, pattern in RULES]
    picked = _PICK.search(before)
    return Question(
        topics=_topics(before, rules) or _topics(plain, rules) or _topics(asked, rules),
        wanted=tuple(dict.fromkeys(quoted or _subject(subject) or _telling(plain, rules))),
        counts=bool(re.search(r"\bhow (many times|often)\b", asked)),
        pick=Pick(picked[1]) if picked else None,
    )


def stems(text: str) -> list[str]:
    """The words of a text, in lower case and without their usual endings."""
    return [_stem(word) for word in _WORD.findall(text.lower())]


def _parted(asked: str) -> tuple[str, str]:
    """A question up to its subject, and that: the words behind "about" or "mention"."""
    behind = _SUBJECT.search(asked)
    end = behind.end() if behind else len(asked)
    return asked[:end], asked[end:]


def _topics(asked: str, rules: list[tuple[Topic, str]]) -> tuple[Topic, ...]:
    topics = dict.fromkeys(topic for topic, rule in rules if re.search(rule, asked))
    if _WRITTEN.search(asked):
        topics.pop(Topic.SPEECH, None)
    return tuple(topics)


def _subject(asked: str) -> list[str]:
    """The words of a subject, common ones where there are no others: "the film" is one."""
    words = [word for word in _WORD.findall(asked) if word not in _SMALL]
    return [word for word in words if word not in _COMMON] or words


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
