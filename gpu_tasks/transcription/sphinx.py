"""PocketSphinx: the words of one utterance, by the English model that comes in its package."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from pocketsphinx import Decoder, Segment

from gpu_tasks.mediakit.audio import RATE, Samples

CHUNK_SECONDS = 0.25
"""Decoding holds the interpreter's lock: after each chunk other threads get their turn."""
MEASURED_SECONDS = 7.0
"""Enough to measure a channel, and short of the 8 s after which PocketSphinx forgets."""
CMN_WINDOW = 500  # frames that a given cepstral mean counts for
COEFFICIENTS = 13
FRAMES_PER_SECOND = 100
FILLERS = ("<", "[", "+")


@dataclass(frozen=True)
class HeardWord:
    """A word with its place in the utterance, in milliseconds."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


class Recogniser:
    """Two decoders over one acoustic model; one utterance at a time, each independent of others.

    The decoder can normalise the channel (cepstral mean) over a whole utterance only by taking it
    in one call, which would hold the lock for seconds. So a first, cheap decoder that waits for a
    single word measures the mean, and the real one is then fed in chunks.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=float(RATE), loglevel="FATAL")
        self._gauge = Decoder(
            samprate=float(RATE), loglevel="FATAL", lm=None, keyphrase="zebra", kws_threshold=1e-20
        )

    def words(self, samples: Samples, tick: Callable[[], None]) -> list[HeardWord]:
        """What was said; ``tick`` is called after each chunk and may raise to stop."""
        mean = self._cepstral_mean(samples[: int(MEASURED_SECONDS * RATE)])
        self._decoder.reinit_feat()  # forgets the noise of the utterance before
        self._decoder.set_cmn(mean)
        _feed(self._decoder, samples, tick)
        return [_heard(segment) for segment in self._decoder.seg() or () if _is_word(segment.word)]

    def _cepstral_mean(self, samples: Samples) -> str:
        self._gauge.reinit_feat()
        self._gauge.set_cmn(",".join(["0"] * COEFFICIENTS))
        _feed(self._gauge, samples, lambda: None)
        counted = np.array([float(value) for value in self._gauge.get_cmn(True).split(",")])
        # The zeros given counted as so many frames of the utterance.
        frames = samples.size * FRAMES_PER_SECOND / RATE
        return ",".join(f"{value:.3f}" for value in counted * (CMN_WINDOW + frames) / frames)


def _feed(decoder: Decoder, samples: Samples, tick: Callable[[], None]) -> None:
    decoder.start_utt()
    try:
        for chunk in _chunks(samples):
            decoder.process_raw(chunk.tobytes())
            tick()
    finally:
        decoder.end_utt()


def _chunks(samples: Samples) -> Iterator[Samples]:
    size = int(CHUNK_SECONDS * RATE)
    return (samples[at : at + size] for at in range(0, samples.size, size))


def _is_word(word: str) -> bool:
    return not word.startswith(FILLERS)


def _heard(segment: Segment) -> HeardWord:
    text, _, _ = segment.word.partition("(")  # "the(2)" is another pronunciation
    ms = 1000 // FRAMES_PER_SECOND
    return HeardWord(
        text=text,
        start_ms=segment.start_frame * ms,
        end_ms=(segment.end_frame + 1) * ms,
        confidence=min(1.0, max(0.0, segment.prob)),  # linear, and at times a hair above one
    )
