"""Utterances are packed into what Whisper hears at once."""

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.speech.utterances import Utterance
from gpu_tasks.transcription.chunks import CHUNK_SAMPLES, MAX_PAUSE_SAMPLES, Chunk, pack_chunks


def utterance(start: int, size: int, value: int = 7) -> Utterance:
    return Utterance(start, np.full(size, value, np.int16), share=start / (100 * RATE))


def test_no_utterances_are_no_chunks():
    assert list(pack_chunks([])) == []


def test_utterances_lie_at_their_places_with_silence_between():
    (chunk,) = pack_chunks([utterance(5 * RATE, RATE), utterance(7 * RATE, 2 * RATE, value=9)])
    assert chunk.start == 5 * RATE
    assert chunk.spans == ((0, RATE), (2 * RATE, 4 * RATE))
    assert np.unique(chunk.samples[:RATE]) == [7]
    assert np.unique(chunk.samples[RATE : 2 * RATE]) == [0]
    assert np.unique(chunk.samples[2 * RATE :]) == [9]
    assert chunk.share == 0.07


@pytest.mark.parametrize(("beyond", "count"), [(0, 1), (1, 2)])
def test_a_chunk_is_as_long_as_whisper_hears(beyond: int, count: int):
    half = CHUNK_SAMPLES // 2
    result = list(pack_chunks([utterance(0, half), utterance(half, half + beyond)]))
    assert len(result) == count
    assert sum(chunk.samples.size for chunk in result) == CHUNK_SAMPLES + beyond


@pytest.mark.parametrize(("beyond", "count"), [(0, 1), (1, 2)])
def test_a_long_pause_is_left_out(beyond: int, count: int):
    second = utterance(RATE + MAX_PAUSE_SAMPLES + beyond, RATE)
    result = list(pack_chunks([utterance(0, RATE), second]))
    assert len(result) == count
    assert result[-1].start + result[-1].samples.size == second.start + RATE


def test_chunks_are_given_as_soon_as_they_are_full():
    def endless():
        start = 0
        while True:
            yield utterance(start, 10 * RATE)
            start += 10 * RATE

    first: Chunk = next(pack_chunks(endless()))
    assert first.spans == ((0, 160_000), (160_000, 320_000), (320_000, 480_000))
