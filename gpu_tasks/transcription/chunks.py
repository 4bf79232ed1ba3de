"""Pack utterances into chunks of half a minute, the most that Whisper hears at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Samples
from gpu_tasks.mediakit.speech.utterances import Utterance

CHUNK_SAMPLES = 30 * RATE
MAX_PAUSE_SAMPLES = 3 * RATE
"""Longer silences are left out: Whisper invents words in them."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive utterances, with silence between them."""

    start: int
    """The index of the first sample, counted from the start of the media."""
    samples: Samples
    spans: tuple[tuple[int, int], ...]
    """Begin and end of its utterances, counted from the start of the chunk."""
    share: float
    """The share of the media that had been read at its end."""


def pack_chunks(utterances: Iterable[Utterance]) -> Iterator[Chunk]:
    """Yield all utterances in order of time, as many in a chunk as fit."""
    pending: list[Utterance] = []
    for utterance in utterances:
        if pending and not _fits(pending, utterance):
            yield _join_utterances(pending)
            pending = []
        pending.append(utterance)
    if pending:
        yield _join_utterances(pending)


def _fits(pending: list[Utterance], utterance: Utterance) -> bool:
    pause = utterance.start - _get_end(pending[-1])
    return pause <= MAX_PAUSE_SAMPLES and _get_end(utterance) - pending[0].start <= CHUNK_SAMPLES


def _get_end(utterance: Utterance) -> int:
    return utterance.start + utterance.samples.size


def _join_utterances(pending: list[Utterance]) -> Chunk:
    start = pending[0].start
    spans = tuple((utterance.start - start, _get_end(utterance) - start) for utterance in pending)
    samples = np.zeros(spans[-1][1], np.int16)
    for utterance, (begins, ends) in zip(pending, spans, strict=True):
        samples[begins:ends] = utterance.samples
    return Chunk(start, samples, spans, pending[-1].share)
