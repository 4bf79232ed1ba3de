"""Plain English from measures: one finding for each topic of a question, with its evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.video_query.contract import MAX_DETAIL, Evidence, EvidenceKind, Said
from gpu_tasks.video_query.questions import Pick, Question, Topic, stems
from gpu_tasks.video_query.reading import lines
from gpu_tasks.video_query.watching import MAX_STILL, RATE, Watched, ms

DARK, BRIGHT = 0.2, 0.6
"""Shares of full brightness: at most dark, at least bright."""
QUIET_DB = -45.0
"""The level, below full scale, up to which sound is quiet: speech has some -20."""
LONG_ENOUGH = int(RATE)
"""So many pictures, a second, make a stretch that is worth telling."""
MOST = 8
"""Things told of one kind; more are counted."""
GREY = 0.08
"""Differences between red, green and blue up to which a colour is a grey."""
COLOURS = (
    ("red", 0), ("orange", 30), ("yellow", 60), ("green", 120), ("cyan", 180), ("blue", 230),
    ("purple", 280), ("pink", 330), ("red", 360),
)  # fmt: skip
"""Names of hues, in degrees."""

Found = TypeVar("Found")

UNASKED = (Topic.LENGTH, Topic.CUTS, Topic.MOTION, Topic.TEXT, Topic.SPEECH)
"""What is told where a question is not understood."""


@dataclass(frozen=True)
class Known:
    """All that the engine found out about a film."""

    watched: Watched
    said: Sequence[Said] | None
    """None where nobody listened, or there is no sound."""
    has_sound: bool
    loudness: NDArray[np.float32] | None = None
    """Levels as `hearing.loudness` gives them; None where nobody measured, or there is no sound."""


@dataclass(frozen=True)
class Finding:
    """A sentence or two, and where the film shows them."""

    text: str
    evidence: Sequence[Evidence] = ()


def answer(question: Question, known: Known) -> list[Finding]:
    """A finding for each topic; for a question that is not understood, what can be told at all."""
    if question.topics:
        return [FINDERS[topic](question, known) for topic in question.topics]
    limits = Finding(
        "This draft engine recognises no things or events; it can tell the length, cuts, "
        "brightness, motion, colours, loudness, faces, words and written text of a film. "
        "Of this one:"
    )
    return [limits, *(FINDERS[topic](question, known) for topic in UNASKED)]


def clock(time_ms: int) -> str:
    """A time as people read it: minutes, seconds and tenths."""
    tenths = time_ms // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _length(_: Question, known: Known) -> Finding:
    return Finding(f"The film lasts {clock(known.watched.duration_ms)}.")


def _cuts(question: Question, known: Known) -> Finding:
    cuts = known.watched.cuts_ms
    if not cuts:
        return Finding("There are no cuts: it is a single shot.")
    are = "is" if len(cuts) == 1 else "are"
    shots = f"so {len(cuts) + 1} shots"
    text = f"There {are} {_counted(len(cuts), 'cut')}, at {_listed(cuts)}, {shots}."
    evidence = [_seen(EvidenceKind.CUT, cut, cut, "a new shot begins") for cut in cuts]
    if question.pick:
        start, end = _picked(_shots(known), question.pick)
        text += f" The {question.pick} shot is from {clock(start)} to {clock(end)}."
        evidence = [_seen(EvidenceKind.CUT, start, end, f"the {question.pick} shot")]
    return Finding(text, evidence)


def _shots(known: Known) -> list[tuple[int, int]]:
    """The milliseconds of each shot."""
    return [(ms(first), ms(end)) for first, end in known.watched.shots]


def _picked(shots: Sequence[tuple[int, int]], pick: Pick) -> tuple[int, int]:
    if pick in (Pick.FIRST, Pick.LAST):
        return shots[0 if pick == Pick.FIRST else -1]
    choose = max if pick == Pick.LONGEST else min
    return choose(shots, key=lambda shot: shot[1] - shot[0])


def _brightness(question: Question, known: Known) -> Finding:
    light = known.watched.brightness
    low, high = int(light.argmin()), int(light.argmax())
    text = (
        f"On average the picture has {light.mean():.0%} of full brightness: brightest at "
        f"{clock(ms(high))} ({light[high]:.0%}), darkest at {clock(ms(low))} ({light[low]:.0%})."
    )
    dark, bright = _stretches(light <= DARK), _stretches(light >= BRIGHT)
    for name, stretches in (("dark", dark), ("bright", bright)):
        if stretches:
            text += f" It is {name} {_spans(stretches)}."
    kind = EvidenceKind.BRIGHTNESS
    evidence = [_seen(kind, *one, "dark picture") for one in dark]
    evidence += [_seen(kind, *one, "bright picture") for one in bright]
    if Topic.CUTS in question.topics and len(known.watched.shots) > 1:
        shots = sorted(known.watched.shots, key=lambda shot: float(light[slice(*shot)].mean()))
        for name, (first, end) in (("darkest", shots[0]), ("brightest", shots[-1])):
            text += f" The {name} shot is from {clock(ms(first))} to {clock(ms(end))}."
            evidence.append(_seen(kind, ms(first), ms(end), f"the {name} shot"))
    extremes = [(low, "darkest picture"), (high, "brightest picture")]
    return Finding(text, evidence or [_seen(kind, ms(at), ms(at), what) for at, what in extremes])


def _motion(_: Question, known: Known) -> Finding:
    moving = known.watched.motion
    still = _stretches(moving <= MAX_STILL)
    kind = EvidenceKind.MOTION
    evidence = [_seen(kind, *one, "still picture") for one in still]
    if moving.max(initial=0.0) <= MAX_STILL:
        text = "Each shot stands still; things that move are missed where they are small."
        return Finding(text, evidence)
    window = np.convolve(moving, np.ones(LONG_ENOUGH), mode="same")
    most = int(window.argmax())
    start, end = ms(max(0, most - LONG_ENOUGH // 2)), ms(min(moving.size, most + LONG_ENOUGH // 2))
    text = f"Most motion is at {clock(start)} to {clock(end)}."
    text += f" The picture stands still {_spans(still)}." if still else " It never stands still."
    return Finding(text, [_seen(kind, start, end, "most motion"), *evidence])


def _colour(_: Question, known: Known) -> Finding:
    named = [
        (ms(first), ms(end), colour_name(known.watched.colours[first:end].mean(axis=0)))
        for first, end in known.watched.shots
    ]
    parts = [f"{name} from {clock(start)} to {clock(end)}" for start, end, name in named[:MOST]]
    kind = EvidenceKind.COLOUR
    return Finding(
        f"On average the picture is {', '.join(parts)}.",
        [_seen(kind, start, end, f"mostly {name}") for start, end, name in named],
    )


def colour_name(colour: NDArray[np.float32]) -> str:
    """The English name of a mean colour of red, green and blue as shares."""
    red, green, blue = (float(value) for value in colour)
    high, low = max(red, green, blue), min(red, green, blue)
    spread = high - low
    if spread <= GREY:
        return "black" if high < DARK else "white" if low > 1 - DARK else "grey"
    if high == red:
        hue = ((green - blue) / spread % 6) * 60
    elif high == green:
        hue = ((blue - red) / spread + 2) * 60
    else:
        hue = ((red - green) / spread + 4) * 60
    return min(COLOURS, key=lambda each: abs(each[1] - hue))[0]


def _faces(_: Question, known: Known) -> Finding:
    looked = known.watched.faces
    if not looked:
        return Finding("This draft engine cannot tell people apart, and looked for no faces.")
    seen = np.array([count > 0 for _, count in looked])
    if not seen.any():
        return Finding("No face is seen; people who turn away or are far off are not recognised.")
    step = looked[1][0] - looked[0][0] if len(looked) > 1 else known.watched.duration_ms
    spans = [
        (looked[first][0], min(looked[end - 1][0] + step, known.watched.duration_ms))
        for first, end in _runs(seen)
    ]
    most = max(count for _, count in looked)
    text = f"A face is seen {_spans(spans)}; at most {most} at once. Whose it is cannot be told."
    return Finding(text, [_seen(EvidenceKind.FACE, *span, "a face is seen") for span in spans])


def _text(question: Question, known: Known) -> Finding:
    shown = lines(known.watched.texts, known.watched.duration_ms)
    if not shown:
        return Finding("No text was read in the picture; small or handwritten text is missed.")
    wanted = set(stems(" ".join(question.wanted)))
    found = [one for one in shown if wanted & set(stems(one.text))]
    told = _one_of(found or shown, question.pick)
    quotes = "; ".join(
        f"“{_short(one.text)}” from {clock(one.start_ms)} to {clock(one.end_ms)}"
        for one in told[:MOST]
    )
    missed = ""
    if wanted and not found:
        missed = f"Nothing about {_any_of(question.wanted)} was read in the picture. "
    more = f" And {len(told) - MOST} more lines." if len(told) > MOST else ""
    counted = _which(question.pick, len(found or shown), "line")
    kind = EvidenceKind.TEXT
    return Finding(
        f"{missed}Text in the picture, {counted}: {quotes}.{more}",
        [_seen(kind, one.start_ms, one.end_ms, one.text) for one in told],
    )


def _speech(question: Question, known: Known) -> Finding:
    if not known.has_sound and known.said is None:
        return Finding("The film has no sound, so nothing is said.")
    if not known.said:
        return Finding("No words were understood.")
    wanted = set(stems(" ".join(question.wanted)))
    if not wanted:
        return _all_said(known.said, question.pick)
    hits = [(one, sum(word in wanted for word in stems(one.text))) for one in known.said]
    found = [one for one, count in hits if count]
    looked_for = _any_of(question.wanted)
    if not found:
        return Finding(f"Nothing about {looked_for} was heard in what is said.")
    count = sum(count for _, count in hits)
    told = _one_of(found, question.pick)
    start = f"Said {_counted(count, 'time')}" if question.counts else f"About {looked_for}"
    if len(told) < len(found):
        start += f", {_which(question.pick, len(found), 'passage')}"
    return Finding(f"{start}: {_quoted(told)}", [_heard(one) for one in told])


def _all_said(said: Sequence[Said], pick: Pick | None) -> Finding:
    told = _one_of(said, pick)
    words = _counted(sum(len(one.text.split()) for one in said), "word")
    start = f"What is said, {words} in {_counted(len(said), 'passage')}"
    if len(told) < len(said):
        start = f"Of what is said, {_which(pick, len(said), 'passage')}"
    return Finding(f"{start}: {_quoted(told)}", [_heard(one) for one in told])


def _quoted(said: Sequence[Said]) -> str:
    quotes = "; ".join(f"“{_short(one.text)}” at {clock(one.start_ms)}" for one in said[:MOST])
    return f"{quotes}." + (f" And {len(said) - MOST} more." if len(said) > MOST else "")


def _sound(_: Question, known: Known) -> Finding:
    if not known.has_sound or known.loudness is None:
        return Finding("The film has no sound.")
    level, kind = known.loudness, EvidenceKind.SOUND
    quiet = _stretches(level <= QUIET_DB)
    evidence = [_seen(kind, *one, "quiet") for one in quiet]
    if level.max() <= QUIET_DB:
        return Finding("The sound is quiet from beginning to end.", evidence)
    loudest = int(level.argmax())
    text = f"The sound is loudest at {clock(ms(loudest))} ({level[loudest]:.0f} dB of full scale)."
    nowhere = "nowhere quiet for as long as a second"
    text += f" It is {f'quiet {_spans(quiet)}' if quiet else nowhere}."
    text += " Music, voices and noises are not told apart."
    return Finding(text, [_seen(kind, ms(loudest), ms(loudest), "loudest"), *evidence])


def _heard(one: Said) -> Evidence:
    return _seen(EvidenceKind.SPEECH, one.start_ms, one.end_ms, one.text)


def _seen(kind: EvidenceKind, start_ms: int, end_ms: int, detail: str) -> Evidence:
    return Evidence(start_ms=start_ms, end_ms=end_ms, kind=kind, detail=_short(detail, MAX_DETAIL))


def _one_of(found: Sequence[Found], pick: Pick | None) -> Sequence[Found]:
    """The first or last of what is found, where only that is asked for."""
    if pick == Pick.FIRST:
        return found[:1]
    return found[-1:] if pick == Pick.LAST else found


def _which(pick: Pick | None, count: int, noun: str) -> str:
    """`3 lines`, or `the first of 3 lines`."""
    counted = _counted(count, noun)
    return f"the {pick} of {counted}" if pick in (Pick.FIRST, Pick.LAST) else counted


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _any_of(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _short(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _stretches(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The milliseconds between which it holds, where that is long enough."""
    return [(ms(first), ms(end)) for first, end in _runs(mask) if end - first >= LONG_ENOUGH]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _spans(spans: Sequence[tuple[int, int]]) -> str:
    told = [f"from {clock(start)} to {clock(end)}" for start, end in spans[:MOST]]
    return ", ".join(told) + (f" and {len(spans) - MOST} times more" if len(spans) > MOST else "")


def _listed(times: Sequence[int]) -> str:
    told = ", ".join(clock(time) for time in times[:MOST])
    return told + (f" and {len(times) - MOST} more" if len(times) > MOST else "")


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
