"""Captions and plain text of what is said, as it has been edited.

Deleted words and segments are left out, edited ones shown as they read now. With ``timeline`` the
times are those of the finished film: what no clip plays is left out. With ``source`` they are the
media's own.
"""

import html
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from textwrap import wrap
from typing import Literal, NamedTuple, TypeVar
from uuid import UUID

from auteur.api.problems import Problem
from gpu_tasks.render.contract.captions import DEFAULT, CaptionsStyle
from projects import edl
from projects.timeline.content import (
    Clip,
    Document,
    Segment,
    Track,
    Word,
    on_timeline,
    speed_permille,
)
from projects.timeline.dividing import undivided

Times = Literal["timeline", "source"]

Item = TypeVar("Item")

MAX_CUE_MS = 6_000
MAX_PAUSE_MS = 1_500
"""Times that television subtitles keep to."""

MAX_SPOKEN = 60_000
"""Words in one answer: somewhat more than a transcript holds, about six hours of speech."""
MAX_SPOKEN_CHARACTERS = 2 * 1024**2
"""Of all these words, each with its speaker's name."""

UNDETERMINED, MULTIPLE = "und", "mul"
"""Codes of ISO 639-2 for what is no one language that we know."""


class TooMuchSpokenProblem(Problem):
    """The clips play more words than one answer may hold."""

    status_code = 422
    default_code = "too_many_words"
    default_detail = (
        f"At most {MAX_SPOKEN} words of {MAX_SPOKEN_CHARACTERS} characters, each word as often as "
        "clips play it, can be told at once."
    )


class Spoken(NamedTuple):
    """One word as it is shown."""

    segment: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Cue:
    """Words that are shown together."""

    words: tuple[Spoken, ...]
    end_ms: int

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def srt(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """SubRip."""
    document = _found(project_id, user_id)
    cues = styled_cues(document, times)
    width = style_of(document).max_line_length
    several = _several(cue.words[0] for cue in cues)
    blocks = (
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        f"{_lines(_label(cue.words[0], several) + cue.text, width)}\n"
        for number, cue in enumerate(cues, start=1)
    )
    return "\n".join(blocks)


def vtt(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """WebVTT, with a voice span for the speaker and a time for each word."""
    cues = styled_cues(_found(project_id, user_id), times)
    blocks = (
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        f"<v {_escaped(cue.words[0].speaker)}>{' '.join(_stamped(cue))}</v>\n"
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *blocks])


def text(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """Plain text: a paragraph for each turn of a speaker, who is named where there are several."""
    words = words_of(_found(project_id, user_id), times)
    several = _several(words)
    turns = [list(turn) for _, turn in groupby(words, key=lambda word: word.speaker)]
    return "\n\n".join(
        _label(turn[0], several) + " ".join(word.text for word in turn) for turn in turns
    ) + ("\n" if turns else "")


def words_json(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """The words with their seconds, and nothing of segments: what players of others' read.

    ``language`` is theirs if all have one and the same.
    """
    found = _found(project_id, user_id)
    words = words_of(found, times)
    body = {
        "duration": max((word.end_ms for word in words), default=0) / 1000,
        "language": language_of(words, found["transcript"]["segments"]),
        "words": [
            {"text": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for word in words
        ],
    }
    return json.dumps(body, ensure_ascii=False)


def language_of(words: Iterable[Spoken], segments: Sequence[Segment]) -> str:
    """The language of the words: ``mul`` where they have several, ``und`` where any has none."""
    languages = {segments[place].get("language") for place in {word.segment for word in words}}
    if None in languages or not languages:
        return UNDETERMINED
    return str(languages.pop()) if len(languages) == 1 else MULTIPLE


def _found(project_id: UUID, user_id: UUID) -> Document:
    wanted = {"tracks": 1, "transcript": 1, "captions_style": 1}
    return edl.find_document(project_id=project_id, user_id=user_id, fields=wanted)


def words_of(document: Document, times: Times | None = None) -> list[Spoken]:
    """The words of an EDL in the order in which they are heard.

    ``times`` is ``timeline`` where any clip is on it, if nobody says otherwise.
    """
    clips = [clip for track in document["tracks"] for clip in _playing(track)]
    segments = document["transcript"]["segments"]
    if times is None:
        times = "timeline" if clips else "source"
    every = (word for index, each in enumerate(segments) for word in shown(index, each))
    words = list(_bounded(every, lambda word: word))
    return words if times == "source" else _played(words, segments, clips)


def _playing(track: Track) -> Iterator[Clip]:
    """Its clips; where one has only been divided, a word is shown as long as it is heard."""
    live = [clip for clip in track["clips"] if not clip["deleted"]]
    return undivided(sorted(live, key=itemgetter("start_ms")))


def _bounded(items: Iterable[Item], word_of: Callable[[Item], Spoken]) -> Iterator[Item]:
    """The same; raises ``TooMuchSpokenProblem`` at the first that is too much."""
    characters = 0
    for count, each in enumerate(items, start=1):
        word = word_of(each)
        characters += len(word.text) + len(word.speaker)
        if count > MAX_SPOKEN or characters > MAX_SPOKEN_CHARACTERS:
            raise TooMuchSpokenProblem
        yield each


def shown(index: int, segment: Segment) -> list[Spoken]:
    """The words of a segment as they read now; times are the source media's."""
    if segment["deleted"]:
        return []
    heard = [word for word in segment["words"] if not word.get("deleted")]
    if segment["edited_text"] is not None or not segment["words"]:
        return _spread(index, segment, heard)
    words = [(_clean(word.get("edited_word", word["word"])), word) for word in heard]
    return [
        Spoken(index, segment["speaker"], text, word["start_ms"], word["end_ms"])
        for text, word in words
        if text
    ]


def _spread(index: int, segment: Segment, heard: list[Word]) -> list[Spoken]:
    """Edited text in the time of what is left: word by word if there are as many, else evenly."""
    edited = segment["edited_text"]
    tokens = (segment["text"] if edited is None else edited).split()
    if not tokens or (segment["words"] and not heard):
        return []
    if len(tokens) == len(heard):
        times = [(word["start_ms"], word["end_ms"]) for word in heard]
    else:
        begin = heard[0]["start_ms"] if heard else segment["start_ms"]
        length = (heard[-1]["end_ms"] if heard else segment["end_ms"]) - begin
        edges = [begin + length * i // len(tokens) for i in range(len(tokens) + 1)]
        times = list(pairwise(edges))
    return [
        Spoken(index, segment["speaker"], token, start, end)
        for token, (start, end) in zip(tokens, times, strict=True)
    ]


def _played(words: list[Spoken], segments: list[Segment], clips: list[Clip]) -> list[Spoken]:
    """The words that clips play, once where several tracks play them together."""
    said: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        said.setdefault(segments[word.segment]["media_file_id"], []).append(place)
    playing: dict[str, dict[tuple[int, ...], Clip]] = {}
    for clip in clips:
        playing.setdefault(clip["media_file_id"], {}).setdefault(_timing(clip), clip)
    pairs = (
        pair
        for media_id, places in said.items()
        for pair in _pairs(words, places, list(playing.get(media_id, {}).values()))
    )
    counted = list(_bounded(pairs, lambda pair: words[pair[0]]))
    moved = [(_moved(words[place], clip), place, index) for place, index, clip in counted]
    moved.sort(key=lambda each: (each[0].start_ms, each[0].segment, each[1], each[2]))
    return list(dict.fromkeys(word for word, _, _ in moved))


def _timing(clip: Clip) -> tuple[int, ...]:
    """What decides when it plays which words of its media."""
    at = (clip["start_ms"], clip["in_point_ms"], clip["out_point_ms"])
    return (*at, speed_permille(clip["effects"]))


def _pairs(
    words: list[Spoken], places: list[int], clips: list[Clip]
) -> Iterator[tuple[int, int, Clip]]:
    """Which of one media's words which of its clips play, found in one pass along its time."""
    coming = sorted(enumerate(clips), key=lambda numbered: numbered[1]["in_point_ms"], reverse=True)
    now: list[tuple[int, Clip]] = []
    for middle, place in sorted((_middle(words[place]), place) for place in places):
        while coming and coming[-1][1]["in_point_ms"] <= middle:
            now.append(coming.pop())
        now = [numbered for numbered in now if middle < numbered[1]["out_point_ms"]]
        for index, clip in now:
            yield place, index, clip


def _middle(word: Spoken) -> int:
    return (word.start_ms + word.end_ms) // 2


def _moved(word: Spoken, clip: Clip) -> Spoken:
    """The word at the time at which the clip plays it."""
    permille = speed_permille(clip["effects"])
    start, end = (
        clip["start_ms"]
        + on_timeline(
            min(max(at, clip["in_point_ms"]), clip["out_point_ms"]) - clip["in_point_ms"], permille
        )
        for at in (word.start_ms, word.end_ms)
    )
    return Spoken(word.segment, word.speaker, word.text, start, end)


def style_of(document: Document) -> CaptionsStyle:
    """Return the captions' style of an EDL, or the default."""
    stored = document.get("captions_style")
    return DEFAULT if stored is None else CaptionsStyle.model_validate(stored)


def styled_cues(document: Document, times: Times | None) -> list[Cue]:
    """Return the cues of an EDL, in as many lines of as many characters as its style allows."""
    style = style_of(document)
    return cues_of(
        words_of(document, times), lines=style.max_lines, line_length=style.max_line_length
    )


def cues_of(words: Iterable[Spoken], *, lines: int, line_length: int) -> list[Cue]:
    """Words gathered to what fits some lines and a few seconds, one speaker at a time."""
    runs: list[list[Spoken]] = []
    for word in words:
        if not runs or not _fits(runs[-1], word, lines, line_length):
            runs.append([])
        runs[-1].append(word)
    return [
        Cue(tuple(run), max(run[-1].end_ms, max(word.start_ms for word in run) + 1)) for run in runs
    ]


def _fits(run: list[Spoken], word: Spoken, lines: int, line_length: int) -> bool:
    return (
        (run[-1].segment, run[-1].speaker) == (word.segment, word.speaker)
        and word.start_ms >= run[-1].start_ms
        and word.start_ms - run[-1].end_ms <= MAX_PAUSE_MS
        and word.end_ms - run[0].start_ms <= MAX_CUE_MS
        and _count_lines([*run, word], line_length) <= lines
    )


def _count_lines(words: Iterable[Spoken], line_length: int) -> int:
    """How many lines they take, each as full as words can make it."""
    lines, filled = 0, line_length
    for word in words:
        filled += 1 + len(word.text)
        if filled > line_length:
            lines, filled = lines + 1, len(word.text)
    return lines


def _stamped(cue: Cue) -> Iterator[str]:
    """The cue's words, each after the first with its time where that is a later one."""
    last = cue.start_ms
    for word in cue.words:
        stamp = ""
        if last < word.start_ms < cue.end_ms:
            last = word.start_ms
            stamp = f"<{_clock(last, '.')}>"
        yield stamp + _escaped(word.text)


def _several(words: Iterable[Spoken]) -> bool:
    return len({word.speaker for word in words}) > 1


def _label(word: Spoken, several: bool) -> str:
    return f"{_clean(word.speaker)}: " if several else ""


def _lines(words: str, width: int) -> str:
    """Wrap words to lines; an arrow would be taken for a time."""
    return "\n".join(wrap(words.replace("-->", "->"), width, break_long_words=False))


def _escaped(words: str) -> str:
    return html.escape(_clean(words), quote=False)


def _clean(words: str) -> str:
    return " ".join(words.split())


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"
