"""Answer in English: which topics a question names, and what a film's measures say about each."""

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
    SpokenSegment,
)
from gpu_tasks.video_query.measures import RATE, Floats, Measures, to_ms

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue (Rec. 709)."""
DARK, BRIGHT = 0.2, 0.6
"""Shares of full brightness: pictures up to the first are dark, from the second on bright."""
MAX_STILL = 0.004
"""The mean change between two pictures up to which the picture is still: noise of a codec."""
QUIET_DB = -45.0
"""The level, relative to full scale, up to which sound is quiet: speech has some -20."""
A_SECOND = int(RATE)
"""In pictures: shorter moments are not reported."""
MAX_MOMENTS = 8
"""Moments listed of one kind; more are counted."""
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
"""The topics of an answer if a question names none, or asks for a summary."""

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
"""Begin and end in milliseconds, and what the film shows then."""
Finding = tuple[str, list[Moment]]


class Question(NamedTuple):
    """A question as the rules understand it: names of `RULES`, if any, and words to search."""

    topics: tuple[str, ...]
    search_words: tuple[str, ...]


def parse_question(text: str) -> Question:
    """Return the topics and search words of a question.

    Search words are the quoted ones; else those that are neither common nor name a topic.
    """
    question = text.lower()
    quoted_text = " ".join(double or single for double, single in _QUOTED.findall(question))
    remaining_text = _QUOTED.sub(" ", question)
    topics = []
    for topic, (pattern, _) in RULES.items():
        remaining_text, count = re.subn(rf"\b(?:{pattern})\b", " ", remaining_text)
        if count:
            topics.append(topic)
    keywords = [
        word for word in _WORD.findall(remaining_text) if re.split("['’]", word)[0] not in _COMMON
    ]
    search_words = _WORD.findall(quoted_text) or keywords if topics else ()
    return Question(tuple(topics), tuple(dict.fromkeys(search_words)))


def build_answer(question: Question, measures: Measures) -> tuple[str, tuple[Evidence, ...]]:
    """Answer each topic; answer a question that is not understood with a summary.

    Evidence is cut at the film's end: sound may continue after the pictures.
    """
    texts, evidence = [] if question.topics else [LIMITS], []
    film_end_ms = measures.duration_ms
    for topic in question.topics or SUMMARY:
        _, find = RULES[topic]
        text, moments = find(measures, question.search_words)
        texts.append(text)
        evidence += [
            Evidence(
                start_ms=start,
                end_ms=min(max(start, end), film_end_ms),
                kind=EvidenceKind(topic),
                detail=_shorten(detail, MAX_DETAIL),
            )
            for (start, end), detail in moments
            if start <= film_end_ms
        ]
    return " ".join(texts)[:MAX_ANSWER], tuple(evidence[:MAX_EVIDENCE])


def _answer_length(measures: Measures, _: Sequence[str]) -> Finding:
    return f"The film lasts {format_time(measures.duration_ms)}.", []


def _answer_cuts(measures: Measures, _: Sequence[str]) -> Finding:
    cuts = [to_ms(cut) for cut in measures.cuts.tolist()]
    if not cuts:
        return "There are no cuts: it is a single shot.", []
    verb = "is" if len(cuts) == 1 else "are"
    times = _join_limited(map(format_time, cuts), ", ")
    text = f"There {verb} {_count_noun(len(cuts), 'cut')}, at {times}, so {len(cuts) + 1} shots."
    return text, [((cut, cut), "a new shot begins") for cut in cuts]


def _answer_brightness(measures: Measures, _: Sequence[str]) -> Finding:
    light = measures.colours @ LUMA
    moments = [
        _build_moment(int(light.argmax()), f"brightest picture ({light.max():.0%})"),
        _build_moment(int(light.argmin()), f"darkest picture ({light.min():.0%})"),
        *_list_moments(light <= DARK, "dark picture"),
        *_list_moments(light >= BRIGHT, "bright picture"),
    ]
    description = _describe_moments(moments)
    return (
        f"On average the picture has {light.mean():.0%} of full brightness: {description}.",
        moments,
    )


def _answer_motion(measures: Measures, _: Sequence[str]) -> Finding:
    motion = measures.motion
    still = _list_moments(motion <= MAX_STILL, "still picture")
    if motion.max() <= MAX_STILL:
        return "Each shot stands still; things that move are missed where they are small.", still
    width = min(A_SECOND, motion.size)
    first = int(np.convolve(motion, np.ones(width), mode="valid").argmax())
    moments = [((to_ms(first), to_ms(first + width)), "most motion"), *still]
    return (
        f"It moves: {_describe_moments(moments)}{'' if still else '; it never stands still'}.",
        moments,
    )


def _answer_colour(measures: Measures, _: Sequence[str]) -> Finding:
    moments = [
        (
            (to_ms(first), to_ms(end)),
            f"mostly {get_colour_name(measures.colours[first:end].mean(axis=0))}",
        )
        for first, end in measures.shots
    ]
    return f"The picture is {_describe_moments(moments)}.", moments


def get_colour_name(mean: Floats) -> str:
    """Return the English name of a colour given as shares of red, green and blue."""
    low, high = mean.min(), mean.max()
    if high - low <= MAX_GREY:
        return "black" if high < DARK else "white" if low > 1 - DARK else "grey"
    hue = 360 * colorsys.rgb_to_hsv(*mean.tolist())[0]
    return min(HUES, key=lambda name: abs((HUES[name] - hue + 180) % 360 - 180))


def _answer_faces(measures: Measures, _: Sequence[str]) -> Finding:
    moments = _list_moments(measures.faces > 0, "a face is seen", shortest=1)
    if not moments:
        return "No face is seen; people who turn away or are far off are not recognised.", []
    times = _join_limited((_format_span(*span) for span, _ in moments), ", ")
    max_faces = measures.faces.max()
    return (
        f"A face is seen {times}; at most {max_faces} at once. Whose it is cannot be told.",
        moments,
    )


def _answer_text(measures: Measures, search_words: Sequence[str]) -> Finding:
    if not measures.text:
        return "No text was read in the picture; small or handwritten text is missed.", []
    matches = [line for line in measures.text if _count_matches(line.text, search_words)]
    no_match_text = f"Nothing about {' or '.join(search_words)} was read in the picture. "
    lines = matches or measures.text
    heading = f"Text in the picture, {_count_noun(len(lines), 'line')}"
    return _quote_passages(
        no_match_text + heading if search_words and not matches else heading, lines
    )


def _answer_speech(measures: Measures, search_words: Sequence[str]) -> Finding:
    passages = measures.speech
    if passages is None:
        return "The film has no sound, so nothing is said.", []
    if not passages:
        return "No words were understood.", []
    if not search_words:
        words = _count_noun(sum(len(passage.text.split()) for passage in passages), "word")
        return _quote_passages(
            f"What is said, {words} in {_count_noun(len(passages), 'passage')}", passages
        )
    topic, hits = (
        " or ".join(search_words),
        sum(_count_matches(passage.text, search_words) for passage in passages),
    )
    if not hits:
        return f"Nothing about {topic} was heard in what is said.", []
    matches = [passage for passage in passages if _count_matches(passage.text, search_words)]
    return _quote_passages(f"About {topic}, {_count_noun(hits, 'time')}", matches)


def _answer_sound(measures: Measures, _: Sequence[str]) -> Finding:
    levels = measures.levels
    if levels is None:
        return "The film has no sound.", []
    quiet = _list_moments(levels <= QUIET_DB, "quiet")
    loudest = f"loudest ({levels.max():.0f} dB of full scale)"
    moments = [_build_moment(int(levels.argmax()), loudest), *quiet]
    quiet_note = "" if quiet else "; nowhere quiet for as long as a second"
    text = f"The sound is {_describe_moments(moments)}{quiet_note}."
    text += " Music, voices and noises are not told apart."
    return text, moments


RULES: dict[str, tuple[str, Callable[[Measures, Sequence[str]], Finding]]] = {
    "speech": (
        r"sa(y|ys|id)|sp[eo](ak|ke)\w*|talk\w*|mention\w*|words?|hear\w*|speech",
        _answer_speech,
    ),
    "text": (r"text|written|captions?|subtitles?|titles?|signs?", _answer_text),
    "face": (r"faces?|person|people|m[ae]n|wom[ae]n|who", _answer_faces),
    "cut": (r"cuts?|shots?|scenes?", _answer_cuts),
    "colour": (r"colou?r\w*", _answer_colour),
    "brightness": (r"(bright|dark|light)(er|est|ness)?", _answer_brightness),
    "motion": (r"mov(e|es|ing|ement)|motion|still", _answer_motion),
    "sound": (r"loud\w*|quiet\w*|silen(ce|t)|music|sounds?|nois(e|y)|volume", _answer_sound),
    "length": (r"how long|length|duration|lasts", _answer_length),
}
"""By topic (a kind of evidence, or the length): the words that name it, and its answer function."""


def list_stems(text: str) -> list[str]:
    """Return the words of a text, in lower case and without their usual endings."""
    return [_ENDING.sub("", word) for word in _WORD.findall(text.lower())]


def format_time(time_ms: int) -> str:
    """Return a time in minutes, seconds and tenths."""
    tenths = time_ms // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _count_matches(text: str, search_words: Sequence[str]) -> int:
    """Return how many words of a text are among the search words."""
    search_stems = list_stems(" ".join(search_words))
    return sum(word in search_stems for word in list_stems(text))


def _build_moment(picture: int, detail: str) -> Moment:
    return (to_ms(picture), to_ms(picture)), detail


def _list_moments(mask: NDArray[np.bool_], detail: str, shortest: int = A_SECOND) -> list[Moment]:
    """Return the spans in which the mask is true for at least so many pictures."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    runs = edges.reshape(-1, 2).tolist()
    return [((to_ms(first), to_ms(end)), detail) for first, end in runs if end - first >= shortest]


def _quote_passages(heading: str, passages: Iterable[SpokenSegment]) -> Finding:
    moments = [((passage.start_ms, passage.end_ms), passage.text) for passage in passages]
    quotes = [(span, f"“{_shorten(text, LONGEST_QUOTE)}”") for span, text in moments]
    return f"{heading}: {_describe_moments(quotes)}.", moments


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _describe_moments(moments: Iterable[Moment]) -> str:
    return _join_limited((f"{detail} {_format_span(*span)}" for span, detail in moments), "; ")


def _format_span(start: int, end: int) -> str:
    return (
        f"from {format_time(start)} to {format_time(end)}"
        if end > start
        else f"at {format_time(start)}"
    )


def _join_limited(parts: Iterable[str], separator: str) -> str:
    items = list(parts)
    remainder = f" and {len(items) - MAX_MOMENTS} more" if len(items) > MAX_MOMENTS else ""
    return separator.join(items[:MAX_MOMENTS]) + remainder


def _count_noun(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
