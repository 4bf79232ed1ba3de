"""English answers: which topics a question names, and what a film's measures tell of each."""

import colorsys
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.video_query.contract import (
    MAX_ANSWER,
    MAX_DETAIL,
    MAX_EVIDENCE,
    Evidence,
    EvidenceKind,
    Said,
)
from gpu_tasks.video_query.measures import RATE, Floats, Measures, ms

LUMA = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue (Rec. 709)."""
DARK, BRIGHT = 0.2, 0.6
"""Shares of full brightness: at most dark, at least bright."""
MAX_STILL = 0.004
"""Mean change between two pictures up to which the picture stands still: noise of a codec."""
QUIET_DB = -45.0
"""The level, below full scale, up to which sound is quiet: speech has some -20."""
A_SECOND = int(RATE)
"""In pictures: what lasts less long is not told."""
MOST = 8
"""Things told of one kind; more are counted."""
LONGEST_QUOTE = 120
MAX_GREY = 0.08
"""Differences between red, green and blue up to which a colour is a grey."""
NAMES = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
HUES = dict(zip(NAMES, (0, 30, 60, 120, 180, 230, 280, 330), strict=True))
"""In degrees."""
LIMITS = (
    "This draft engine recognises no things or events; it can tell the length, cuts, brightness, "
    "motion, colours, loudness, faces, words and written text of a film. Of this one:"
)
SUMMARY = ("length", "cut", "motion", "text", "speech")
"""The topics told where a question names none, or asks for a summary."""

_QUOTED = re.compile(r"[\"“‘]([^\"“”‘’]+)[\"”’]|(?<!\w)'([^']+)'(?!\w)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENDING = re.compile(r"(?<=\w{4})(?:['’]s|ing|ed|es|s|e)$")
_COMMON_WORDS = """
    a about all an and any anything are as at be can clip did do does film first for from get he
    how i in is it last many me of often on or picture s she show shown that the their them
    there they thing this time times to video was what when where which why you
"""
_COMMON = frozenset(_COMMON_WORDS.split())

Moment = tuple[tuple[int, int], str]
"""From and to, in milliseconds, and what the film shows then."""
Finding = tuple[str, list[Moment]]


class Question(NamedTuple):
    """A question as the rules understand it: names of `RULES`, if any, and words to look for."""

    topics: tuple[str, ...]
    wanted: tuple[str, ...]


def understand(text: str) -> Question:
    """What is quoted is looked for; else the words that are neither common nor name a topic."""
    asked = text.lower()
    quoted = " ".join(one or other for one, other in _QUOTED.findall(asked))
    rest = _QUOTED.sub(" ", asked)
    topics = []
    for topic, (pattern, _) in RULES.items():
        rest, named = re.subn(rf"\b(?:{pattern})\b", " ", rest)
        if named:
            topics.append(topic)
    telling = [one for one in _WORD.findall(rest) if re.split("['’]", one)[0] not in _COMMON]
    wanted = _WORD.findall(quoted) or telling if topics else ()
    return Question(tuple(topics), tuple(dict.fromkeys(wanted)))


def answer(question: Question, measures: Measures) -> tuple[str, tuple[Evidence, ...]]:
    """What is known of each topic; of a question that is not understood, a summary.

    Evidence is cut at the film's end: sound may go on after the pictures.
    """
    texts, evidence = [] if question.topics else [LIMITS], []
    last = measures.duration_ms
    for topic in question.topics or SUMMARY:
        _, find = RULES[topic]
        text, moments = find(measures, question.wanted)
        texts.append(text)
        evidence += [
            Evidence(
                start_ms=start,
                end_ms=min(max(start, end), last),
                kind=EvidenceKind(topic),
                detail=_short(detail, MAX_DETAIL),
            )
            for (start, end), detail in moments
            if start <= last
        ]
    return " ".join(texts)[:MAX_ANSWER], tuple(evidence[:MAX_EVIDENCE])


def _length(measures: Measures, _: Sequence[str]) -> Finding:
    return f"The film lasts {clock(measures.duration_ms)}.", []


def _cuts(measures: Measures, _: Sequence[str]) -> Finding:
    cuts = [ms(cut) for cut in measures.cuts.tolist()]
    if not cuts:
        return "There are no cuts: it is a single shot.", []
    are = "is" if len(cuts) == 1 else "are"
    times = _listed(map(clock, cuts), ", ")
    text = f"There {are} {_counted(len(cuts), 'cut')}, at {times}, so {len(cuts) + 1} shots."
    return text, [((cut, cut), "a new shot begins") for cut in cuts]


def _brightness(measures: Measures, _: Sequence[str]) -> Finding:
    light = measures.colours @ LUMA
    moments = [
        _moment(int(light.argmax()), f"brightest picture ({light.max():.0%})"),
        _moment(int(light.argmin()), f"darkest picture ({light.min():.0%})"),
        *_moments(light <= DARK, "dark picture"),
        *_moments(light >= BRIGHT, "bright picture"),
    ]
    told = _told(moments)
    return f"On average the picture has {light.mean():.0%} of full brightness: {told}.", moments


def _motion(measures: Measures, _: Sequence[str]) -> Finding:
    motion = measures.motion
    still = _moments(motion <= MAX_STILL, "still picture")
    if motion.max() <= MAX_STILL:
        return "Each shot stands still; things that move are missed where they are small.", still
    width = min(A_SECOND, motion.size)
    first = int(np.convolve(motion, np.ones(width), mode="valid").argmax())
    moments = [((ms(first), ms(first + width)), "most motion"), *still]
    return f"It moves: {_told(moments)}{'' if still else '; it never stands still'}.", moments


def _colour(measures: Measures, _: Sequence[str]) -> Finding:
    moments = [
        ((ms(first), ms(end)), f"mostly {colour_name(measures.colours[first:end].mean(axis=0))}")
        for first, end in measures.shots
    ]
    return f"The picture is {_told(moments)}.", moments


def colour_name(mean: Floats) -> str:
    """The English name of red, green and blue as shares."""
    low, high = mean.min(), mean.max()
    if high - low <= MAX_GREY:
        return "black" if high < DARK else "white" if low > 1 - DARK else "grey"
    hue = 360 * colorsys.rgb_to_hsv(*mean.tolist())[0]
    return min(HUES, key=lambda name: abs((HUES[name] - hue + 180) % 360 - 180))


def _faces(measures: Measures, _: Sequence[str]) -> Finding:
    moments = _moments(measures.faces > 0, "a face is seen", shortest=1)
    if not moments:
        return "No face is seen; people who turn away or are far off are not recognised.", []
    times = _listed((_when(*span) for span, _ in moments), ", ")
    most = measures.faces.max()
    return f"A face is seen {times}; at most {most} at once. Whose it is cannot be told.", moments


def _text(measures: Measures, wanted: Sequence[str]) -> Finding:
    if not measures.text:
        return "No text was read in the picture; small or handwritten text is missed.", []
    found = [line for line in measures.text if _hits(line.text, wanted)]
    missed = f"Nothing about {' or '.join(wanted)} was read in the picture. "
    lines = found or measures.text
    start = f"Text in the picture, {_counted(len(lines), 'line')}"
    return _quoted(missed + start if wanted and not found else start, lines)


def _speech(measures: Measures, wanted: Sequence[str]) -> Finding:
    said = measures.said
    if said is None:
        return "The film has no sound, so nothing is said.", []
    if not said:
        return "No words were understood.", []
    if not wanted:
        words = _counted(sum(len(one.text.split()) for one in said), "word")
        return _quoted(f"What is said, {words} in {_counted(len(said), 'passage')}", said)
    about, hits = " or ".join(wanted), sum(_hits(one.text, wanted) for one in said)
    if not hits:
        return f"Nothing about {about} was heard in what is said.", []
    found = [one for one in said if _hits(one.text, wanted)]
    return _quoted(f"About {about}, {_counted(hits, 'time')}", found)


def _sound(measures: Measures, _: Sequence[str]) -> Finding:
    levels = measures.levels
    if levels is None:
        return "The film has no sound.", []
    quiet = _moments(levels <= QUIET_DB, "quiet")
    loudest = f"loudest ({levels.max():.0f} dB of full scale)"
    moments = [_moment(int(levels.argmax()), loudest), *quiet]
    never = "" if quiet else "; nowhere quiet for as long as a second"
    text = f"The sound is {_told(moments)}{never}. Music, voices and noises are not told apart."
    return text, moments


RULES: dict[str, tuple[str, Callable[[Measures, Sequence[str]], Finding]]] = {
    "speech": (r"sa(y|ys|id)|sp[eo](ak|ke)\w*|talk\w*|mention\w*|words?|hear\w*|speech", _speech),
    "text": (r"text|written|captions?|subtitles?|titles?|signs?", _text),
    "face": (r"faces?|person|people|m[ae]n|wom[ae]n|who", _faces),
    "cut": (r"cuts?|shots?|scenes?", _cuts),
    "colour": (r"colou?r\w*", _colour),
    "brightness": (r"(bright|dark|light)(er|est|ness)?", _brightness),
    "motion": (r"mov(e|es|ing|ement)|motion|still", _motion),
    "sound": (r"loud\w*|quiet\w*|silen(ce|t)|music|sounds?|nois(e|y)|volume", _sound),
    "length": (r"how long|length|duration|lasts", _length),
}
"""By topic (a kind of evidence, or the length): the words that name it, and what tells of it."""


def stems(text: str) -> list[str]:
    """The words of a text, in lower case and without their usual endings."""
    return [_ENDING.sub("", word) for word in _WORD.findall(text.lower())]


def clock(time_ms: int) -> str:
    """A time as people read it: minutes, seconds and tenths."""
    tenths = time_ms // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _hits(text: str, wanted: Sequence[str]) -> int:
    """How many words of a text are among those to look for."""
    looked_for = stems(" ".join(wanted))
    return sum(word in looked_for for word in stems(text))


def _moment(picture: int, detail: str) -> Moment:
    return (ms(picture), ms(picture)), detail


def _moments(mask: NDArray[np.bool_], detail: str, shortest: int = A_SECOND) -> list[Moment]:
    """When it holds, for at least so many pictures."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    runs = edges.reshape(-1, 2).tolist()
    return [((ms(first), ms(end)), detail) for first, end in runs if end - first >= shortest]


def _quoted(start: str, passages: Iterable[Said]) -> Finding:
    moments = [((one.start_ms, one.end_ms), one.text) for one in passages]
    quotes = [(span, f"“{_short(text, LONGEST_QUOTE)}”") for span, text in moments]
    return f"{start}: {_told(quotes)}.", moments


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _told(moments: Iterable[Moment]) -> str:
    return _listed((f"{detail} {_when(*span)}" for span, detail in moments), "; ")


def _when(start: int, end: int) -> str:
    return f"from {clock(start)} to {clock(end)}" if end > start else f"at {clock(start)}"


def _listed(parts: Iterable[str], between: str) -> str:
    told = list(parts)
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    return between.join(told[:MOST]) + more


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
