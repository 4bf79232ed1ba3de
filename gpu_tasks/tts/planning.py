"""Plan how F5-TTS reads a text: in which pieces, how long each, in how many steps.

F5-TTS continues a recording: its input is the sample's sound and text with the new text, and the
number of frames of both. The rate of speech follows from the sample's own (paper: arXiv 2410.06885,
section 3.1; lengths are counted in bytes of UTF-8, as its authors do).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts.text import join_paragraphs, split_into_pieces

HOP = 256
"""Samples of a frame, at 24 kHz."""
FRAMES_PER_SECOND = 24_000 / HOP
WINDOW_SECONDS = 22.0
"""The longest sample and speech together; longer ones are less stable."""
MIN_PIECE_BYTES = 40
MAX_PIECE_BYTES = 400
SHORT_BYTES = 10
SHORT_SPEED = 0.3
"""The speed of a short text, which is swallowed if it does not get more time."""
MIN_BYTES_PER_SECOND, MAX_BYTES_PER_SECOND = 5.0, 40.0
"""The range of rates of speech: outside it the sample was not understood."""
STEPS = ((150.0, 32), (450.0, 16), (900.0, 10), (1500.0, 7))
"""Seconds, of the speech and of the sample with each piece, up to which so many steps are made.

Of the 120 s that a call has on an L4, each row takes 100 at most where 16 steps take 0.15 of real
time: the paper measured that on an RTX 3090, the package's README on an L20, both by the seconds of
speech alone. The last row has room for 5,000 Latin letters at half the stock voice's speed; 7 steps
took 0.03 of real time on an RTX 3090 (arXiv 2505.19931), whose choice of steps the package follows.
"""
TOO_LONG = "To be read in this voice at this speed, the text must be {percent} % shorter."


@dataclass(frozen=True)
class Reference:
    """The length and the text of a voice sample."""

    frames: int
    text: str

    @property
    def bytes_per_second(self) -> float:
        """Return the sample's rate of speech, within what is possible."""
        rate = count_bytes(self.text) * FRAMES_PER_SECOND / self.frames
        return min(MAX_BYTES_PER_SECOND, max(MIN_BYTES_PER_SECOND, rate))


STOCK = Reference(frames=456, text="Some call me nature, others call me mother nature.")
"""The sample that comes with F5-TTS."""


@dataclass(frozen=True)
class SpeechPlan:
    """The pieces of a text, with the length and the steps of each."""

    parts: Sequence[str]
    lengths: Sequence[int]
    """Frames of each part, without the sample's."""
    steps: int
    """For each part."""


def plan_speech(reference: Reference, text: str, speed: float) -> SpeechPlan:
    """Plan how a cleaned text is read; raise ``EngineError`` (INPUT_INVALID) if too long."""
    limit = compute_piece_bytes(reference, speed)
    parts = split_into_pieces(join_paragraphs(text), limit, size=count_bytes)
    lengths = [count_frames(reference, part, speed) for part in parts]
    return SpeechPlan(parts, lengths, choose_steps(sum(lengths) + len(parts) * reference.frames))


def count_bytes(text: str) -> int:
    """Return the number of bytes in UTF-8."""
    return len(text.encode())


def compute_piece_bytes(reference: Reference, speed: float) -> int:
    """Return the size of a piece whose speech fits the window beside the sample."""
    seconds = WINDOW_SECONDS - reference.frames / FRAMES_PER_SECOND
    size = int(reference.bytes_per_second * seconds * speed)
    return min(MAX_PIECE_BYTES, max(MIN_PIECE_BYTES, size))


def count_frames(reference: Reference, piece: str, speed: float) -> int:
    """Return how many frames a piece lasts, without the sample's."""
    size = count_bytes(piece)
    piece_speed = min(speed, SHORT_SPEED) if size < SHORT_BYTES else speed
    return max(1, round(size / reference.bytes_per_second / piece_speed * FRAMES_PER_SECOND))


def choose_steps(frames: int) -> int:
    """Return the steps for each piece, by the frames of all pieces and their samples."""
    seconds = frames / FRAMES_PER_SECOND
    longest, _ = STEPS[-1]
    if seconds > longest:
        percent = math.ceil(100 * (1 - longest / seconds))
        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG.format(percent=percent))
    return next(steps for max_seconds, steps in STEPS if seconds <= max_seconds)
