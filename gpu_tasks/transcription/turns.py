"""Merge words and speaker turns: who said which word, and where a segment ends."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

import numpy as np

from gpu_tasks.mediakit.speech.utterances import RecognisedWord
from gpu_tasks.transcription.contract import TranscribedSegment, TranscribedWord

ONLY_SPEAKER = "Speaker 1"
MIN_WORD_MS = 20
PAUSE_MS = 700
"""A silence of this length ends a segment."""
SENTENCES_MS = 6_000
"""A segment of this length ends with its sentence."""
LONGEST_MS = 15_000
"""A segment of this length ends with the word."""
SENTENCE_ENDS = tuple(".?!…。？！।؟")


@dataclass(frozen=True)
class Turn:
    """A span in which one voice speaks; turns of several voices may overlap."""

    start_ms: int
    end_ms: int
    voice: str


def assign_speakers(words: Sequence[RecognisedWord], turns: Sequence[Turn]) -> list[str]:
    """Return ``Speaker 1``, ``Speaker 2`` … for each word, numbered by first appearance.

    A word belongs to the voice whose turns overlap it longest, or else to the nearest turn.
    """
    if not turns:
        return [ONLY_SPEAKER] * len(words)
    names, owners = np.unique([turn.voice for turn in turns], return_inverse=True)
    starts = np.array([turn.start_ms for turn in turns])
    ends = np.array([turn.end_ms for turn in turns])
    numbers: dict[int, int] = {}

    def speaker(word: RecognisedWord) -> str:
        distances = np.maximum(starts, word.start_ms) - np.minimum(ends, word.end_ms)
        overlaps = np.bincount(owners, np.maximum(0, -distances), len(names))
        voice = int(overlaps.argmax() if overlaps.any() else owners[distances.argmin()])
        return f"Speaker {numbers.setdefault(voice, len(numbers) + 1)}"

    return [speaker(word) for word in words]


def order_words(words: Iterable[RecognisedWord], duration_ms: int) -> list[RecognisedWord]:
    """Return the words without overlaps, each of at least ``MIN_WORD_MS``, none beyond the end."""
    result: list[RecognisedWord] = []
    for word in words:
        start_ms = min(max(word.start_ms, result[-1].end_ms if result else 0), duration_ms)
        end_ms = min(max(word.end_ms, start_ms + MIN_WORD_MS), duration_ms)
        result.append(replace(word, start_ms=start_ms, end_ms=end_ms))
    return result


def build_segments(
    words: Sequence[RecognisedWord], spoken_by: Sequence[str]
) -> list[TranscribedSegment]:
    """Return segments of one speaker each, split at pauses and, if long, at sentences."""
    numbers = _number_segments(words, spoken_by)
    result = []
    for _, group in groupby(zip(words, spoken_by, numbers, strict=True), key=itemgetter(2)):
        group_words, names, _ = zip(*group, strict=True)
        result.append(build_segment(group_words, names[0]))
    return result


def _number_segments(words: Sequence[RecognisedWord], spoken_by: Sequence[str]) -> Iterator[int]:
    """Yield the number of each word's segment."""
    number, start_ms = 0, words[0].start_ms if words else 0
    for index, word in enumerate(words):
        previous = words[index - 1] if index else word
        speaker_changed = index > 0 and spoken_by[index] != spoken_by[index - 1]
        if speaker_changed or _ends_segment(previous, word, previous.end_ms - start_ms):
            number, start_ms = number + 1, word.start_ms
        yield number


def _ends_segment(previous: RecognisedWord, word: RecognisedWord, duration_ms: int) -> bool:
    if word.start_ms - previous.end_ms >= PAUSE_MS or duration_ms >= LONGEST_MS:
        return True
    return duration_ms >= SENTENCES_MS and previous.text.rstrip().endswith(SENTENCE_ENDS)


def build_segment(words: Sequence[RecognisedWord], speaker: str) -> TranscribedSegment:
    """Return the words of a speaker as one segment."""
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
