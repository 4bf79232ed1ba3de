"""PocketSphinx: what is said in English, by the model that comes in its package."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder

from gpu_tasks.mediakit.audio import RATE, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.speech.loudness_pass import listen, measure
from gpu_tasks.mediakit.speech.speakers import Voice, voice
from gpu_tasks.mediakit.speech.utterances import HeardWord, utterances

CHUNK_SAMPLES = int(0.25 * RATE)
"""Decoding holds the interpreter's lock: after each chunk other threads get their turn."""
MEASURED_SAMPLES = 7 * RATE
"""Enough to measure a channel, and short of the 8 s after which PocketSphinx forgets."""
CMN_WINDOW = 500  # frames that a given cepstral mean counts for
COEFFICIENTS = 13
FRAMES_PER_SECOND = 100
FRAME_MS = 1000 // FRAMES_PER_SECOND
FILLERS = ("<", "[", "+")


@dataclass(frozen=True)
class Passage:
    """The words of one utterance, at their times in the media, and whose voice it is."""

    words: Sequence[HeardWord]
    voice: Voice

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True)
class Recording:
    """What is said in a recording."""

    passages: Sequence[Passage]
    duration_ms: int
    is_silent: bool


class Recogniser:
    """Two decoders over one acoustic model; one utterance at a time, each independent of others.

    The decoder can normalise the channel (cepstral mean) over a whole utterance only by taking it
    in one call, which would hold the lock for seconds. So a first, cheap decoder that waits for a
    single word measures the mean, and the real one is then fed in chunks.
    """

    model = f"pocketsphinx-{version('pocketsphinx')} en-us"

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=float(RATE), loglevel="FATAL")
        self._gauge = Decoder(
            samprate=float(RATE), loglevel="FATAL", lm=None, keyphrase="zebra", kws_threshold=1e-20
        )

    def hear(self, media: Path, report: Callable[[float], None]) -> Recording:
        """Listen to a recording; ``report`` is told the share done, and may raise to stop.

        Memory grows with the words, not with the sound. Raises ``EngineError`` INPUT_INVALID where
        there is no sound that can be decoded.
        """
        level = measure(media, report)
        with open_media(media) as container:
            track = SoundTrack(container)
            passages = []
            for one in utterances(listen(track, level.gain, report)):
                tick = partial(report, one.share)
                words = self.words(one.samples, tick, start_ms=one.start * 1000 // RATE)
                if words:
                    passages.append(Passage(words, voice(one.samples)))
            return Recording(passages, track.duration_ms, level.is_silent)

    def words(
        self, samples: Samples, tick: Callable[[], None], *, start_ms: int = 0
    ) -> list[HeardWord]:
        """What an utterance says that begins then; ``tick`` may raise to stop.

        The last word may end a little after the samples, for the last frame is padded.
        """
        mean = self._cepstral_mean(samples[:MEASURED_SAMPLES])
        self._decoder.reinit_feat()  # forgets the noise of the utterance before
        self._decoder.set_cmn(mean)
        _feed(self._decoder, samples, tick)
        found = [one for one in self._decoder.seg() or () if not one.word.startswith(FILLERS)]
        return [
            HeardWord(
                text=_spelt(segment.word, place),
                start_ms=start_ms + segment.start_frame * FRAME_MS,
                end_ms=start_ms + (segment.end_frame + 1) * FRAME_MS,
                confidence=min(1.0, segment.prob),  # linear, and at times a hair above one
            )
            for place, segment in enumerate(found)
        ]

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
        for at in range(0, samples.size, CHUNK_SAMPLES):
            decoder.process_raw(samples[at : at + CHUNK_SAMPLES].tobytes())
            tick()
    finally:
        decoder.end_utt()


def _spelt(text: str, place: int) -> str:
    """A word of the dictionary with its capital, and with a space before it, as Whisper has it."""
    spelt, _, _ = text.partition("(")  # "the(2)" is another pronunciation
    return " " + (spelt.capitalize() if not place or spelt[:2] in ("i", "i'") else spelt)
