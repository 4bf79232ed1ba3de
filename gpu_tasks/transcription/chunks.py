"""Utterances packed into chunks of half a minute, as much as Whisper hears at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Samples
from gpu_tasks.mediakit.speech.utterances import Utterance

CHUNK_SAMPLES = 30 * RATE
MAX_PAUSE_SAMPLES = 3 * RATE
"""Longer silences are left out: over them Whisper invents words."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive utterances, with silence between them."""

    start: int
    """Where the first sample lies, counted from the start of the media."""
    samples: Samples
    spans: tuple[tuple[int, int], ...]
    """Where its utterances begin and end, counted from the start of the chunk."""
    share: float
    """How much of the media had been read when it ended."""


def chunks(utterances: Iterable[Utterance]) -> Iterator[Chunk]:
    """All utterances in order of time, as many to a chunk as fit in."""
    waiting: list[Utterance] = []
    for utterance in utterances:
        if waiting and not _fits(waiting, utterance):
            yield _joined(waiting)
            waiting = []
        waiting.append(utterance)
    if waiting:
        yield _joined(waiting)


def _fits(waiting: list[Utterance], utterance: Utterance) -> bool:
    pause = utterance.start - _end(waiting[-1])
    return pause <= MAX_PAUSE_SAMPLES and _end(utterance) - waiting[0].start <= CHUNK_SAMPLES


def _end(utterance: Utterance) -> int:
    return utterance.start + utterance.samples.size


def _joined(waiting: list[Utterance]) -> Chunk:
    start = waiting[0].start
    spans = tuple((one.start - start, _end(one) - start) for one in waiting)
    samples = np.zeros(spans[-1][1], np.int16)
    for one, (begins, ends) in zip(waiting, spans, strict=True):
        samples[begins:ends] = one.samples
    return Chunk(start, samples, spans, waiting[-1].share)
