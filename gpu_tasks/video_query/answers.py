"""Plain English from measures: a finding for each topic of a question, with its evidence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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
from gpu_tasks.video_query.questions import Question, Topic, stems
from gpu_tasks.video_query.reading import lines
from gpu_tasks.video_query.watching import MAX_STILL, RATE, Floats, Watched, ms

DARK, BRIGHT = 0.2, 0.6
"""Shares of full brightness: at most dark, at least bright."""
QUIET_DB = -45.0
"""The level, below full scale, up to which sound is quiet: speech has some -20."""
LONG_ENOUGH = int(RATE)
"""So many pictures, a second, are worth telling."""
MOST = 8
"""Things told of one kind; more are counted."""
LONGEST_QUOTE = 120
GREY = 0.08
"""Differences between red, green and blue up to which a colour is a grey."""
NAMES = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
HUES = dict(zip(NAMES, (0, 30, 60, 120, 180, 230, 280, 330), strict=True))
"""In degrees."""
LIMITS = (
    "This draft engine recognises no things or events; it can tell the length, cuts, brightness, "
    "motion, colours, loudness, faces, words and written text of a film. Of this one:"
)
UNASKED = (Topic.LENGTH, Topic.CUTS, Topic.MOTION, Topic.TEXT, Topic.SPEECH)
"""What is told where a question is not understood, or asks for a summary."""

Span = tuple[int, int]
"""From, and to, in milliseconds."""
Finding = tuple[str, list[tuple[Span, str]]]
"""A sentence or two, and what the film shows of it when."""


@dataclass(frozen=True)
class Known:
    """All that the engine found out about a film."""

    watched: Watched
    said: Sequence[Said] | None
    """None where there is no sound, or nobody listened."""
    loudness: Floats | None = None
    """Levels as `hearing.loudness` gives them; None where there is no sound, or nobody measured."""


def answer(question: Question, known: Known) -> tuple[str, tuple[Evidence, ...]]:
    """What is known of each topic; of a question that is not understood, all that can be told.

    Evidence is cut at the film's end: sound may go on after the pictures.
    """
    texts, evidence = [] if question.topics else [LIMITS], []
    last = known.watched.duration_ms
    for topic in question.topics or UNASKED:
        text, shown = FINDERS[topic](question, known)
        texts.append(text)
        evidence += [
            Evidence(
                start_ms=start,
                end_ms=min(max(start, end), last),
                kind=EvidenceKind(topic),
                detail=_short(detail, MAX_DETAIL),
            )
            for (start, end), detail in shown
            if start <= last
        ]
    return " ".join(texts)[:MAX_ANSWER], tuple(evidence[:MAX_EVIDENCE])


def clock(time_ms: int) -> str:
    """A time as people read it: minutes, seconds and tenths."""
    tenths = time_ms // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _length(_: Question, known: Known) -> Finding:
    return f"The film lasts {clock(known.watched.duration_ms)}.", []


def _cuts(_: Question, known: Known) -> Finding:
    cuts = [ms(cut) for cut in known.watched.cuts]
    if not cuts:
        return "There are no cuts: it is a single shot.", []
    are = "is" if len(cuts) == 1 else "are"
    times = _listed(map(clock, cuts))
    text = f"There {are} {_counted(len(cuts), 'cut')}, at {times}, so {len(cuts) + 1} shots."
    return text, [((cut, cut), "a new shot begins") for cut in cuts]


def _brightness(_: Question, known: Known) -> Finding:
    light = known.watched.brightness
    low, high = int(light.argmin()), int(light.argmax())
    text = (
        f"On average the picture has {light.mean():.0%} of full brightness: brightest at "
        f"{clock(ms(high))} ({light[high]:.0%}), darkest at {clock(ms(low))} ({light[low]:.0%})."
    )
    shown = []
    for name, spans in (("dark", _spans(light <= DARK)), ("bright", _spans(light >= BRIGHT))):
        if spans:
            text += f" It is {name} {_times(spans)}."
            shown += [(span, f"{name} picture") for span in spans]
    extremes = ((low, "darkest picture"), (high, "brightest picture"))
    return text, shown or [((ms(at), ms(at)), detail) for at, detail in extremes]


def _motion(_: Question, known: Known) -> Finding:
    moving = known.watched.motion
    still = _spans(moving <= MAX_STILL)
    shown = [(span, "still picture") for span in still]
    if moving.max() <= MAX_STILL:
        return "Each shot stands still; things that move are missed where they are small.", shown
    most = int(np.convolve(moving, np.ones(LONG_ENOUGH), mode="same").argmax())
    span = ms(max(0, most - LONG_ENOUGH // 2)), ms(min(moving.size, most + LONG_ENOUGH // 2))
    text = f"Most motion is {_times([span])}."
    text += f" The picture stands still {_times(still)}." if still else " It never stands still."
    return text, [(span, "most motion"), *shown]


def _colour(_: Question, known: Known) -> Finding:
    named = [
        ((ms(first), ms(end)), colour_name(known.watched.colours[first:end].mean(axis=0)))
        for first, end in known.watched.shots
    ]
    colours = _listed(f"{name} {_times([span])}" for span, name in named)
    return f"On average the picture is {colours}.", [
        (span, f"mostly {name}") for span, name in named
    ]


def colour_name(colour: Floats) -> str:
    """The English name of a mean colour of red, green and blue as shares."""
    red, green, blue = colour.tolist()
    low, _, high = sorted((red, green, blue))
    if high - low <= GREY:
        return "black" if high < DARK else "white" if low > 1 - DARK else "grey"
    hue = np.degrees(np.arctan2(3**0.5 * (green - blue), 2 * red - green - blue))
    return min(HUES, key=lambda name: abs((HUES[name] - hue + 180) % 360 - 180))


def _faces(_: Question, known: Known) -> Finding:
    looked = known.watched.faces
    most = max((count for _, count in looked), default=0)
    if not most:
        return "No face is seen; people who turn away or are far off are not recognised.", []
    ends = [*(at for at, _ in looked[1:]), known.watched.duration_ms]
    runs = _runs(np.array([count > 0 for _, count in looked]))
    spans = [(looked[first][0], ends[end - 1]) for first, end in runs]
    text = f"A face is seen {_times(spans)}; at most {most} at once. Whose it is cannot be told."
    return text, [(span, "a face is seen") for span in spans]


def _text(question: Question, known: Known) -> Finding:
    shown = lines(known.watched.texts, known.watched.duration_ms)
    if not shown:
        return "No text was read in the picture; small or handwritten text is missed.", []
    found = [one for one in shown if _hits(question, one.text)]
    missed = ""
    if question.wanted and not found:
        missed = f"Nothing about {' or '.join(question.wanted)} was read in the picture. "
    given = [((one.start_ms, one.end_ms), one.text) for one in found or shown]
    quotes = _listed((f"{_quote(text)} {_times([span])}" for span, text in given), "; ")
    return f"{missed}Text in the picture, {_counted(len(given), 'line')}: {quotes}.", given


def _speech(question: Question, known: Known) -> Finding:
    if known.said is None:
        return "The film has no sound, so nothing is said.", []
    found = known.said
    if not found:
        return "No words were understood.", []
    words = _counted(sum(len(one.text.split()) for one in found), "word")
    start = f"What is said, {words} in {_counted(len(found), 'passage')}"
    if question.wanted:
        about = " or ".join(question.wanted)
        hits = sum(_hits(question, one.text) for one in found)
        if not hits:
            return f"Nothing about {about} was heard in what is said.", []
        found = [one for one in found if _hits(question, one.text)]
        start = f"About {about}, {_counted(hits, 'time')}"
    quotes = _listed((f"{_quote(one.text)} at {clock(one.start_ms)}" for one in found), "; ")
    return f"{start}: {quotes}.", [((one.start_ms, one.end_ms), one.text) for one in found]


def _sound(_: Question, known: Known) -> Finding:
    level = known.loudness
    if level is None:
        return "The film has no sound.", []
    quiet = _spans(level <= QUIET_DB)
    shown = [(span, "quiet") for span in quiet]
    if level.max() <= QUIET_DB:
        return "The sound is quiet from beginning to end.", shown
    loudest = int(level.argmax())
    text = (
        f"The sound is loudest at {clock(ms(loudest))} ({level[loudest]:.0f} dB of full scale). "
        f"It is {f'quiet {_times(quiet)}' if quiet else 'nowhere quiet for as long as a second'}. "
        "Music, voices and noises are not told apart."
    )
    return text, [((ms(loudest), ms(loudest)), "loudest"), *shown]


def _hits(question: Question, text: str) -> int:
    """How many words of a text are among those to look for."""
    wanted = stems(" ".join(question.wanted))
    return sum(word in wanted for word in stems(text))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _quote(text: str) -> str:
    return f"“{_short(text, LONGEST_QUOTE)}”"


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _times(spans: Sequence[Span]) -> str:
    return _listed(f"from {clock(start)} to {clock(end)}" for start, end in spans)


def _listed(parts: Iterable[str], between: str = ", ") -> str:
    told = list(parts)
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    return between.join(told[:MOST]) + more


def _spans(mask: NDArray[np.bool_]) -> list[Span]:
    """When it holds, where that is long enough."""
    return [(ms(first), ms(end)) for first, end in _runs(mask) if end - first >= LONG_ENOUGH]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


FINDERS: dict[Topic, Callable[[Question, Known], Finding]] = {
    Topic.SPEECH: _speech,
    Topic.TEXT: _text,
    Topic.FACES: _faces,
    Topic.CUTS: _cuts,
    Topic.COLOUR: _colour,
    Topic.BRIGHTNESS: _brightness,
    Topic.MOTION: _motion,
    Topic.SOUND: _sound,
    Topic.LENGTH: _length,
}
