"""Write captions and plain text of the edited transcript.

Deleted words and segments are left out; edited ones have their new text. With ``timeline`` the
times are those of the finished film, and words that no clip plays are left out. With ``source``
they are the media's own.
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

from auteur.core.api.problems import Problem
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
"""The limits of television subtitles."""

MAX_WORDS = 60_000
"""Words in one answer: slightly more than a transcript can hold, about six hours of speech."""
MAX_CHARACTERS = 2 * 1024**2
"""The limit of all words in one response, each with its speaker's name."""

UNDETERMINED, MULTIPLE = "und", "mul"
"""Codes of ISO 639-2 for an unknown language, and for several languages."""


class TooMuchSpokenProblem(Problem):
    """Raised if the clips play more words than one response may have."""

    status_code = 422
    default_code = "too_many_words"
    default_detail = (
        f"The transcript is too long for one response: at most {MAX_WORDS} words with "
        f"{MAX_CHARACTERS} characters are returned, each word as often as clips play it. Shorten "
        "the timeline."
    )


class SpokenWord(NamedTuple):
    """One word with its edited text, speaker and time."""

    segment: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Cue:
    """Words that are shown together as one caption."""

    words: tuple[SpokenWord, ...]
    end_ms: int

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def write_srt(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """Return the captions as SubRip."""
    document = _find_document(project_id, user_id)
    cues = build_styled_cues(document, times)
    width = get_style(document).max_line_length
    has_several = _has_several_speakers(cue.words[0] for cue in cues)
    blocks = (
        f"{number}\n{_format_time(cue.start_ms, ',')} --> {_format_time(cue.end_ms, ',')}\n"
        f"{_wrap_lines(_format_label(cue.words[0], has_several) + cue.text, width)}\n"
        for number, cue in enumerate(cues, start=1)
    )
    return "\n".join(blocks)


def write_vtt(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """Return the captions as WebVTT, with voice spans for speakers and a time for each word."""
    cues = build_styled_cues(_find_document(project_id, user_id), times)
    blocks = (
        f"{_format_time(cue.start_ms, '.')} --> {_format_time(cue.end_ms, '.')}\n"
        f"<v {_escape(cue.words[0].speaker)}>{' '.join(_format_timed_words(cue))}</v>\n"
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *blocks])


def write_text(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """Return plain text, a paragraph for each turn; speakers are named if there are several."""
    words = list_words(_find_document(project_id, user_id), times)
    has_several = _has_several_speakers(words)
    turns = [list(turn) for _, turn in groupby(words, key=lambda word: word.speaker)]
    return "\n\n".join(
        _format_label(turn[0], has_several) + " ".join(word.text for word in turn) for turn in turns
    ) + ("\n" if turns else "")


def write_words_json(*, project_id: UUID, user_id: UUID, times: Times | None = None) -> str:
    """Return the words with their times in seconds, as JSON for other players.

    ``language`` is that of all words, or a code of ISO 639-2 (`language_of`).
    """
    document = _find_document(project_id, user_id)
    words = list_words(document, times)
    body = {
        "duration": max((word.end_ms for word in words), default=0) / 1000,
        "language": find_language(words, document["transcript"]["segments"]),
        "words": [
            {"text": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for word in words
        ],
    }
    return json.dumps(body, ensure_ascii=False)


def find_language(words: Iterable[SpokenWord], segments: Sequence[Segment]) -> str:
    """Return the language of the words: ``mul`` for several, ``und`` if any has none."""
    languages = {segments[index].get("language") for index in {word.segment for word in words}}
    if None in languages or not languages:
        return UNDETERMINED
    return str(languages.pop()) if len(languages) == 1 else MULTIPLE


def _find_document(project_id: UUID, user_id: UUID) -> Document:
    fields = {"tracks": 1, "transcript": 1, "captions_style": 1}
    return edl.find_document(project_id=project_id, user_id=user_id, fields=fields)


def list_words(document: Document, times: Times | None = None) -> list[SpokenWord]:
    """Return the words of an EDL in the order of time.

    ``times`` defaults to ``timeline`` if there is any clip, else to ``source``.
    """
    clips = [clip for track in document["tracks"] for clip in _iterate_live_clips(track)]
    segments = document["transcript"]["segments"]
    if times is None:
        times = "timeline" if clips else "source"
    all_words = (
        word
        for index, segment in enumerate(segments)
        for word in list_segment_words(index, segment)
    )
    words = list(_check_size(all_words, lambda word: word))
    return words if times == "source" else _list_played_words(words, segments, clips)


def _iterate_live_clips(track: Track) -> Iterator[Clip]:
    """Yield the clips of a track; parts of a divided clip are joined, so that words stay whole."""
    live = [clip for clip in track["clips"] if not clip["deleted"]]
    return undivided(sorted(live, key=itemgetter("start_ms")))


def _check_size(items: Iterable[Item], word_of: Callable[[Item], SpokenWord]) -> Iterator[Item]:
    """Yield the same items; raise ``TooMuchSpokenProblem`` at the first beyond the limits."""
    characters = 0
    for count, item in enumerate(items, start=1):
        word = word_of(item)
        characters += len(word.text) + len(word.speaker)
        if count > MAX_WORDS or characters > MAX_CHARACTERS:
            raise TooMuchSpokenProblem
        yield item


def list_segment_words(index: int, segment: Segment) -> list[SpokenWord]:
    """Return the edited words of a segment, with the times of the source media."""
    if segment["deleted"]:
        return []
    heard = [word for word in segment["words"] if not word.get("deleted")]
    if segment["edited_text"] is not None or not segment["words"]:
        return _distribute_text(index, segment, heard)
    words = [(_normalize_spaces(word.get("edited_word", word["word"])), word) for word in heard]
    return [
        SpokenWord(index, segment["speaker"], text, word["start_ms"], word["end_ms"])
        for text, word in words
        if text
    ]


def _distribute_text(index: int, segment: Segment, heard: list[Word]) -> list[SpokenWord]:
    """Distribute edited text: over the remaining words if their number is equal, else evenly."""
    edited_text = segment["edited_text"]
    tokens = (segment["text"] if edited_text is None else edited_text).split()
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
        SpokenWord(index, segment["speaker"], token, start, end)
        for token, (start, end) in zip(tokens, times, strict=True)
    ]


def _list_played_words(
    words: list[SpokenWord], segments: list[Segment], clips: list[Clip]
) -> list[SpokenWord]:
    """Return the words that clips play, once if several tracks play them at the same time."""
    indexes_by_media: dict[str, list[int]] = {}
    for word_index, word in enumerate(words):
        indexes_by_media.setdefault(segments[word.segment]["media_file_id"], []).append(word_index)
    clips_by_media: dict[str, dict[tuple[int, ...], Clip]] = {}
    for clip in clips:
        clips_by_media.setdefault(clip["media_file_id"], {}).setdefault(
            _build_timing_key(clip), clip
        )
    pairs = (
        pair
        for media_id, word_indexes in indexes_by_media.items()
        for pair in _match_words_to_clips(
            words, word_indexes, list(clips_by_media.get(media_id, {}).values())
        )
    )
    matches = list(_check_size(pairs, lambda pair: words[pair[0]]))
    moved_words = [
        (_move_word(words[word_index], clip), word_index, clip_index)
        for word_index, clip_index, clip in matches
    ]
    moved_words.sort(key=lambda move: (move[0].start_ms, move[0].segment, move[1], move[2]))
    return list(dict.fromkeys(word for word, _, _ in moved_words))


def _build_timing_key(clip: Clip) -> tuple[int, ...]:
    """Return the properties that decide when a clip plays which words of its media."""
    times = (clip["start_ms"], clip["in_point_ms"], clip["out_point_ms"])
    return (*times, speed_permille(clip["effects"]))


def _match_words_to_clips(
    words: list[SpokenWord], word_indexes: list[int], clips: list[Clip]
) -> Iterator[tuple[int, int, Clip]]:
    """Yield which clips play which words of one media, in a single pass in the order of time."""
    upcoming = sorted(enumerate(clips), key=lambda entry: entry[1]["in_point_ms"], reverse=True)
    current: list[tuple[int, Clip]] = []
    middles = [(words[index].start_ms + words[index].end_ms) // 2 for index in word_indexes]
    for middle, word_index in sorted(zip(middles, word_indexes, strict=True)):
        while upcoming and upcoming[-1][1]["in_point_ms"] <= middle:
            current.append(upcoming.pop())
        current = [entry for entry in current if middle < entry[1]["out_point_ms"]]
        for clip_index, clip in current:
            yield word_index, clip_index, clip


def _move_word(word: SpokenWord, clip: Clip) -> SpokenWord:
    """Return the word at the time at which the clip plays it."""
    permille = speed_permille(clip["effects"])
    start, end = (
        clip["start_ms"]
        + on_timeline(
            min(max(time_ms, clip["in_point_ms"]), clip["out_point_ms"]) - clip["in_point_ms"],
            permille,
        )
        for time_ms in (word.start_ms, word.end_ms)
    )
    return SpokenWord(word.segment, word.speaker, word.text, start, end)


def get_style(document: Document) -> CaptionsStyle:
    """Return the captions' style of an EDL, or the default."""
    style = document.get("captions_style")
    return DEFAULT if style is None else CaptionsStyle.model_validate(style)


def build_styled_cues(document: Document, times: Times | None) -> list[Cue]:
    """Return the cues of an EDL, in as many lines of as many characters as its style allows."""
    style = get_style(document)
    return build_cues(
        list_words(document, times), lines=style.max_lines, line_length=style.max_line_length
    )


def build_cues(words: Iterable[SpokenWord], *, lines: int, line_length: int) -> list[Cue]:
    """Return cues of words that fit the lines and a few seconds, each of one speaker."""
    runs: list[list[SpokenWord]] = []
    for word in words:
        if not runs or not _fits(runs[-1], word, lines, line_length):
            runs.append([])
        runs[-1].append(word)
    return [
        Cue(tuple(run), max(run[-1].end_ms, max(word.start_ms for word in run) + 1)) for run in runs
    ]


def _fits(run: list[SpokenWord], word: SpokenWord, lines: int, line_length: int) -> bool:
    return (
        (run[-1].segment, run[-1].speaker) == (word.segment, word.speaker)
        and word.start_ms >= run[-1].start_ms
        and word.start_ms - run[-1].end_ms <= MAX_PAUSE_MS
        and word.end_ms - run[0].start_ms <= MAX_CUE_MS
        and _count_lines([*run, word], line_length) <= lines
    )


def _count_lines(words: Iterable[SpokenWord], line_length: int) -> int:
    """Return how many lines the words take, if each line is filled as far as possible."""
    lines, line_fill = 0, line_length
    for word in words:
        line_fill += 1 + len(word.text)
        if line_fill > line_length:
            lines, line_fill = lines + 1, len(word.text)
    return lines


def _format_timed_words(cue: Cue) -> Iterator[str]:
    """Yield the words of a cue, with a time before each word that begins later."""
    last = cue.start_ms
    for word in cue.words:
        stamp = ""
        if last < word.start_ms < cue.end_ms:
            last = word.start_ms
            stamp = f"<{_format_time(last, '.')}>"
        yield stamp + _escape(word.text)


def _has_several_speakers(words: Iterable[SpokenWord]) -> bool:
    return len({word.speaker for word in words}) > 1


def _format_label(word: SpokenWord, has_several: bool) -> str:
    return f"{_normalize_spaces(word.speaker)}: " if has_several else ""


def _wrap_lines(words: str, width: int) -> str:
    """Wrap words to lines; replace arrows, which mark times in SubRip."""
    return "\n".join(wrap(words.replace("-->", "->"), width, break_long_words=False))


def _escape(words: str) -> str:
    return html.escape(_normalize_spaces(words), quote=False)


def _normalize_spaces(words: str) -> str:
    return " ".join(words.split())


def _format_time(milliseconds: int, point: str) -> str:
    seconds, remainder = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{remainder:03}"
