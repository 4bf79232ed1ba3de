"""Recognition of English speech by PocketSphinx, with the model in its package."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder

from gpu_tasks.mediakit.audio import RATE, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.speech.loudness_pass import measure_loudness, read_amplified_blocks
from gpu_tasks.mediakit.speech.speakers import Voice, measure_voice
from gpu_tasks.mediakit.speech.utterances import RecognisedWord, split_into_utterances

CHUNK_SAMPLES = int(0.25 * RATE)
"""Decoding holds the interpreter's lock. Other threads can run after each chunk."""
MEASURED_SAMPLES = 7 * RATE
"""Enough to measure a channel, and less than the 8 s after which PocketSphinx forgets."""
CMN_WINDOW = 500  # frames for which a preset cepstral mean counts
COEFFICIENTS = 13
FRAMES_PER_SECOND = 100
FRAME_MS = 1000 // FRAMES_PER_SECOND
FILLERS = ("<", "[", "+")


@dataclass(frozen=True)
class Passage:
    """The words of one utterance, at their times in the media, and its voice."""

    words: Sequence[RecognisedWord]
    voice: Voice

    @property
    def text(self) -> str:
        """Return the words with spaces between them."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True)
class Recording:
    """The recognised speech of a recording."""

    passages: Sequence[Passage]
    duration_ms: int
    is_silent: bool


class Recogniser:
    """Two decoders with one acoustic model, for one utterance at a time.

    Utterances are decoded independently. The decoder can normalise the channel (cepstral mean) over
    a whole utterance only in a single call, which would hold the lock for seconds. So a first,
    cheap decoder that waits for a single word measures the mean, and the real decoder is then fed
    in chunks.
    """

    model = f"pocketsphinx-{version('pocketsphinx')} en-us"

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=float(RATE), loglevel="FATAL")
        self._gauge = Decoder(
            samprate=float(RATE), loglevel="FATAL", lm=None, keyphrase="zebra", kws_threshold=1e-20
        )

    def recognise(self, media: Path, report: Callable[[float], None]) -> Recording:
        """Recognise a recording; ``report`` receives the share done, and may raise to stop.

        Memory grows with the words, not with the sound. Raises ``EngineError`` INPUT_INVALID if
        there is no sound that can be decoded.
        """
        meter = measure_loudness(media, report)
        with open_media(media) as container:
            track = SoundTrack(container)
            passages = []
            for utterance in split_into_utterances(
                read_amplified_blocks(track, meter.gain, report)
            ):
                tick = partial(report, utterance.share)
                words = self.words(utterance.samples, tick, start_ms=utterance.start * 1000 // RATE)
                if words:
                    passages.append(Passage(words, measure_voice(utterance.samples)))
            return Recording(passages, track.duration_ms, meter.is_silent)

    def words(
        self, samples: Samples, tick: Callable[[], None], *, start_ms: int = 0
    ) -> list[RecognisedWord]:
        """Recognise the words of an utterance that begins at ``start_ms``.

        ``tick`` may raise to stop. The last word may end a little after the samples, because the
        last frame is padded.
        """
        mean = self._measure_cepstral_mean(samples[:MEASURED_SAMPLES])
        self._decoder.reinit_feat()  # forgets the noise of the utterance before
        self._decoder.set_cmn(mean)
        _feed_samples(self._decoder, samples, tick)
        segments = [
            segment for segment in self._decoder.seg() or () if not segment.word.startswith(FILLERS)
        ]
        return [
            RecognisedWord(
                text=_spell_word(segment.word, index),
                start_ms=start_ms + segment.start_frame * FRAME_MS,
                end_ms=start_ms + (segment.end_frame + 1) * FRAME_MS,
                confidence=min(1.0, segment.prob),  # linear, and sometimes slightly above one
            )
            for index, segment in enumerate(segments)
        ]

    def _measure_cepstral_mean(self, samples: Samples) -> str:
        self._gauge.reinit_feat()
        self._gauge.set_cmn(",".join(["0"] * COEFFICIENTS))
        _feed_samples(self._gauge, samples, lambda: None)
        mean = np.array([float(value) for value in self._gauge.get_cmn(True).split(",")])
        # The preset zeros counted as `CMN_WINDOW` more frames of the utterance.
        frames = samples.size * FRAMES_PER_SECOND / RATE
        return ",".join(f"{value:.3f}" for value in mean * (CMN_WINDOW + frames) / frames)


def _feed_samples(decoder: Decoder, samples: Samples, tick: Callable[[], None]) -> None:
    decoder.start_utt()
    try:
        for at in range(0, samples.size, CHUNK_SAMPLES):
            decoder.process_raw(samples[at : at + CHUNK_SAMPLES].tobytes())
            tick()
    finally:
        decoder.end_utt()


def _spell_word(text: str, index: int) -> str:
    """Spell a word of the dictionary as Whisper does: with its capital, and after a space."""
    spelling, _, _ = text.partition("(")  # "the(2)" is another pronunciation
    return " " + (spelling.capitalize() if not index or spelling[:2] in ("i", "i'") else spelling)
