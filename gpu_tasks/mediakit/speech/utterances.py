"""Segmentation of a stream of sound into utterances at its pauses."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pocketsphinx import Vad

from gpu_tasks.mediakit.audio import RATE, Block, Samples

FRAME_SECONDS = 0.03
FRAME = int(RATE * FRAME_SECONDS)
VAD_STRICTNESS = 3
"""0 to 3: how sure WebRTC's voice activity detector must be that a frame is speech."""
MARGIN_FRAMES = 6
"""Frames kept around the speech, for soft sounds that the detector misses."""
ONSET_FRAMES = 4
"""The frames of speech within the margin that begin an utterance. A click counts as three."""
PAUSE_FRAMES = 10
"""The frames without speech (0.3 s) that end an utterance."""
MAX_FRAMES = 400
"""The limit of an utterance (12 s), which bounds memory and work of the decoding."""
CUT_WITHIN_FRAMES = 100
"""An utterance at the limit is cut at the quietest of these last frames."""


@dataclass(frozen=True)
class Utterance:
    """The speech between two pauses."""

    start: int
    """Position of the first sample, in samples from the start of the media."""
    samples: Samples
    share: float
    """The share of the media that had been read when it ended."""


@dataclass(frozen=True)
class RecognisedWord:
    """A word as its model spells it, with its times and its confidence, from 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


def split_into_utterances(
    blocks: Iterable[Block], strictness: int = VAD_STRICTNESS
) -> Iterator[Utterance]:
    """Yield every utterance in order of time; a gap in the sound ends one as a pause does."""
    cutter = _Cutter(strictness)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.close(1.0)


class _Cutter:
    """The sound that has been heard and does not belong to a finished utterance yet."""

    def __init__(self, strictness: int) -> None:
        self._vad = Vad(strictness, RATE, FRAME_SECONDS)
        self._remainder = np.zeros(0, np.int16)
        self._end = 0  # where the frames end and the remainder begins
        self._frames: list[Samples] = []
        self._voiced: list[bool] = []
        self._is_speaking = False

    def feed(self, block: Block) -> Iterator[Utterance]:
        if block.start != self._end + self._remainder.size:
            yield from self.close(block.share)
            self._end = block.start
        pending = np.concatenate([self._remainder, block.samples])
        end = pending.size - pending.size % FRAME
        for start in range(0, end, FRAME):
            yield from self._hear_frame(pending[start : start + FRAME], block.share)
        self._remainder = pending[end:]

    def close(self, share: float) -> Iterator[Utterance]:
        if self._remainder.size:
            frame = np.pad(self._remainder, (0, FRAME - self._remainder.size))
            self._remainder = self._remainder[:0]
            yield from self._hear_frame(frame, share)
        if self._is_speaking:
            yield self._cut_utterance(len(self._frames), share)
        self._is_speaking = False
        self._frames, self._voiced = [], []

    def _hear_frame(self, frame: Samples, share: float) -> Iterator[Utterance]:
        self._frames.append(frame)
        self._voiced.append(self._vad.is_speech(frame.tobytes()))
        self._end += FRAME
        if not self._is_speaking:
            self._detect_onset()
        elif len(self._frames) > PAUSE_FRAMES and not any(self._voiced[-PAUSE_FRAMES:]):
            self._is_speaking = False
            yield self._cut_utterance(len(self._frames) - PAUSE_FRAMES + MARGIN_FRAMES, share)
        elif len(self._frames) >= MAX_FRAMES:
            yield self._cut_utterance(self._get_quietest_index(), share)

    def _detect_onset(self) -> None:
        self._is_speaking = sum(self._voiced[-MARGIN_FRAMES:]) >= ONSET_FRAMES
        if not self._is_speaking:
            del self._frames[: -2 * MARGIN_FRAMES], self._voiced[: -2 * MARGIN_FRAMES]

    def _get_quietest_index(self) -> int:
        tail = np.stack(self._frames[-CUT_WITHIN_FRAMES:]).astype(np.float64)
        return len(self._frames) - CUT_WITHIN_FRAMES + int(np.argmin((tail**2).sum(axis=1)))

    def _cut_utterance(self, count: int, share: float) -> Utterance:
        start = self._end - len(self._frames) * FRAME
        samples = np.concatenate(self._frames[:count])
        del self._frames[:count], self._voiced[:count]
        return Utterance(start, samples, share)
