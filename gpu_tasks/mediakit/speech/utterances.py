"""Where somebody speaks: cuts a stream of sound into utterances at its pauses; words in them."""

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
"""Kept around the speech, for the soft sounds that the detector misses."""
ONSET_FRAMES = 4
"""So many frames of speech within the margin begin an utterance; a click is heard as three."""
PAUSE_FRAMES = 10
"""So many frames without speech, 0.3 s, end it."""
MAX_FRAMES = 400
"""Who speaks without pauses is cut after 12 s, which bounds the memory and work of a decoding."""
CUT_WITHIN_FRAMES = 100
"""That cut is made at the quietest of the last so many frames."""


@dataclass(frozen=True)
class Utterance:
    """Speech between pauses."""

    start: int
    """Where the first sample lies, counted from the start of the media."""
    samples: Samples
    share: float
    """How much of the media had been read when it ended."""


@dataclass(frozen=True)
class HeardWord:
    """A word as its model spells it, with its times and how likely it is, from 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


def utterances(blocks: Iterable[Block], strictness: int = VAD_STRICTNESS) -> Iterator[Utterance]:
    """Every utterance in order of time; a gap in the sound ends one as a pause does."""
    cutter = _Cutter(strictness)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.close(1.0)


class _Cutter:
    """What has been heard and not yet given away."""

    def __init__(self, strictness: int) -> None:
        self._vad = Vad(strictness, RATE, FRAME_SECONDS)
        self._rest = np.zeros(0, np.int16)
        self._end = 0  # where the frames end and the rest begins
        self._frames: list[Samples] = []
        self._voiced: list[bool] = []
        self._speaking = False

    def feed(self, block: Block) -> Iterator[Utterance]:
        if block.start != self._end + self._rest.size:
            yield from self.close(block.share)
            self._end = block.start
        pending = np.concatenate([self._rest, block.samples])
        whole = pending.size - pending.size % FRAME
        for at in range(0, whole, FRAME):
            yield from self._hear(pending[at : at + FRAME], block.share)
        self._rest = pending[whole:]

    def close(self, share: float) -> Iterator[Utterance]:
        if self._rest.size:
            last = np.pad(self._rest, (0, FRAME - self._rest.size))
            self._rest = self._rest[:0]
            yield from self._hear(last, share)
        if self._speaking:
            yield self._cut(len(self._frames), share)
        self._speaking = False
        self._frames, self._voiced = [], []

    def _hear(self, frame: Samples, share: float) -> Iterator[Utterance]:
        self._frames.append(frame)
        self._voiced.append(self._vad.is_speech(frame.tobytes()))
        self._end += FRAME
        if not self._speaking:
            self._listen()
        elif len(self._frames) > PAUSE_FRAMES and not any(self._voiced[-PAUSE_FRAMES:]):
            self._speaking = False
            yield self._cut(len(self._frames) - PAUSE_FRAMES + MARGIN_FRAMES, share)
        elif len(self._frames) >= MAX_FRAMES:
            yield self._cut(self._quietest(), share)

    def _listen(self) -> None:
        self._speaking = sum(self._voiced[-MARGIN_FRAMES:]) >= ONSET_FRAMES
        if not self._speaking:
            del self._frames[: -2 * MARGIN_FRAMES], self._voiced[: -2 * MARGIN_FRAMES]

    def _quietest(self) -> int:
        tail = np.stack(self._frames[-CUT_WITHIN_FRAMES:]).astype(np.float64)
        return len(self._frames) - CUT_WITHIN_FRAMES + int(np.argmin((tail**2).sum(axis=1)))

    def _cut(self, count: int, share: float) -> Utterance:
        start = self._end - len(self._frames) * FRAME
        samples = np.concatenate(self._frames[:count])
        del self._frames[:count], self._voiced[:count]
        return Utterance(start, samples, share)
