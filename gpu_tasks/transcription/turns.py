"""Who said which word, and where a segment ends: what recogniser and diarization found, merged."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

import numpy as np

from gpu_tasks.mediakit.speech.utterances import HeardWord
from gpu_tasks.transcription.contract import TranscribedSegment, TranscribedWord

ONLY_SPEAKER = "Speaker 1"
MIN_WORD_MS = 20
PAUSE_MS = 700
"""A silence as long as this ends a segment."""
SENTENCES_MS = 6_000
"""A segment as long as this ends with its sentence."""
LONGEST_MS = 15_000
"""A segment as long as this ends with the word."""
SENTENCE_ENDS = tuple(".?!…。？！।؟")


@dataclass(frozen=True)
class Turn:
    """Time in which one voice speaks; turns of several voices may overlap."""

    start_ms: int
    end_ms: int
    voice: str


def speakers(words: Sequence[HeardWord], turns: Sequence[Turn]) -> list[str]:
    """``Speaker 1``, ``Speaker 2`` … for each word, numbered by first appearance.

    A word is whose turns overlap it longest; where none do, whose turn is nearest.
    """
    if not turns:
        return [ONLY_SPEAKER] * len(words)
    names, owners = np.unique([turn.voice for turn in turns], return_inverse=True)
    starts = np.array([turn.start_ms for turn in turns])
    ends = np.array([turn.end_ms for turn in turns])
    numbers: dict[int, int] = {}

    def speaker(word: HeardWord) -> str:
        apart = np.maximum(starts, word.start_ms) - np.minimum(ends, word.end_ms)
        overlaps = np.bincount(owners, np.maximum(0, -apart), len(names))
        voice = int(overlaps.argmax() if overlaps.any() else owners[apart.argmin()])
        return f"Speaker {numbers.setdefault(voice, len(numbers) + 1)}"

    return [speaker(word) for word in words]


def ordered(words: Iterable[HeardWord], duration_ms: int) -> list[HeardWord]:
    """The words one after the other, each of ``MIN_WORD_MS`` at least, but none beyond the end."""
    found: list[HeardWord] = []
    for word in words:
        start_ms = min(max(word.start_ms, found[-1].end_ms if found else 0), duration_ms)
        end_ms = min(max(word.end_ms, start_ms + MIN_WORD_MS), duration_ms)
        found.append(replace(word, start_ms=start_ms, end_ms=end_ms))
    return found


def segments(words: Sequence[HeardWord], spoken_by: Sequence[str]) -> list[TranscribedSegment]:
    """The words in segments of one speaker each, parted at pauses and, if long, at sentences."""
    numbers = _numbers(words, spoken_by)
    found = []
    for _, group in groupby(zip(words, spoken_by, numbers, strict=True), key=itemgetter(2)):
        spoken, names, _ = zip(*group, strict=True)
        found.append(segment(spoken, names[0]))
    return found


def _numbers(words: Sequence[HeardWord], spoken_by: Sequence[str]) -> Iterator[int]:
    """The number of each word's segment."""
    number, began = 0, words[0].start_ms if words else 0
    for index, word in enumerate(words):
        before = words[index - 1] if index else word
        turned = index > 0 and spoken_by[index] != spoken_by[index - 1]
        if turned or _parted(before, word, before.end_ms - began):
            number, began = number + 1, word.start_ms
        yield number


def _parted(before: HeardWord, word: HeardWord, lasted_ms: int) -> bool:
    if word.start_ms - before.end_ms >= PAUSE_MS or lasted_ms >= LONGEST_MS:
        return True
    return lasted_ms >= SENTENCES_MS and before.text.rstrip().endswith(SENTENCE_ENDS)


def segment(words: Sequence[HeardWord], speaker: str) -> TranscribedSegment:
    """The words of a speaker as one segment."""
    return TranscribedSegment(
        speaker=speaker,
        start_ms=words[0].start_ms,
        end_ms=words[-1].end_ms,
        text="".join(word.text for word in words).strip(),
        words=[
            TranscribedWord(
                word=word.text.strip(),
                start_ms=word.start_ms,
                end_ms=word.end_ms,
                confidence=round(word.confidence, 3),
            )
            for word in words
        ],
    )
