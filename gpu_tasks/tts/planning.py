"""How a text is given to F5-TTS: in which pieces, how long each, in how many steps.

F5-TTS continues a recording: it is given the sample's sound and text with the new text, and told
how many frames the whole lasts. The rate of speech follows from the sample's own (paper: arXiv
2410.06885, section 3.1; lengths are counted in bytes of UTF-8, as its authors do).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts.text import in_one_paragraph, pieces

HOP = 256
"""Samples of a frame, at 24 kHz."""
FRAMES_PER_SECOND = 24_000 / HOP
WINDOW_SECONDS = 22.0
"""Sample and speech together: longer than this is less stable."""
MIN_PIECE_BYTES = 40
MAX_PIECE_BYTES = 400
SHORT_BYTES = 10
SHORT_SPEED = 0.3
"""A text as short as that is swallowed if it is not given more time."""
MIN_BYTES_PER_SECOND, MAX_BYTES_PER_SECOND = 5.0, 40.0
"""Rates that speech has: outside of them the sample was not understood."""
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
    """What is known of the sample."""

    frames: int
    text: str

    @property
    def bytes_per_second(self) -> float:
        """The sample's rate of speech, within what is possible."""
        rate = size_of(self.text) * FRAMES_PER_SECOND / self.frames
        return min(MAX_BYTES_PER_SECOND, max(MIN_BYTES_PER_SECOND, rate))


STOCK = Reference(frames=456, text="Some call me nature, others call me mother nature.")
"""The sample that comes with F5-TTS."""


@dataclass(frozen=True)
class SpeechPlan:
    """How a text is made into speech."""

    parts: Sequence[str]
    lengths: Sequence[int]
    """Frames of each part, the sample's own left out."""
    steps: int
    """For each part."""


def plan_speech(reference: Reference, text: str, speed: float) -> SpeechPlan:
    """How a cleaned text is read; raises ``EngineError`` (INPUT_INVALID) if that takes too long."""
    limit = piece_bytes(reference, speed)
    parts = pieces(in_one_paragraph(text), limit, size=size_of)
    lengths = [frames_of(reference, part, speed) for part in parts]
    return SpeechPlan(parts, lengths, steps_of(sum(lengths) + len(parts) * reference.frames))


def size_of(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


def piece_bytes(reference: Reference, speed: float) -> int:
    """The size of a piece that, spoken, fits the window beside the sample."""
    room = WINDOW_SECONDS - reference.frames / FRAMES_PER_SECOND
    fitting = int(reference.bytes_per_second * room * speed)
    return min(MAX_PIECE_BYTES, max(MIN_PIECE_BYTES, fitting))


def frames_of(reference: Reference, piece: str, speed: float) -> int:
    """How many frames a piece lasts, the sample's own left out."""
    size = size_of(piece)
    slowed = min(speed, SHORT_SPEED) if size < SHORT_BYTES else speed
    return max(1, round(size / reference.bytes_per_second / slowed * FRAMES_PER_SECOND))


def steps_of(frames: int) -> int:
    """How many steps each piece is made in, by the frames of all of them and their samples."""
    seconds = frames / FRAMES_PER_SECOND
    longest, _ = STEPS[-1]
    if seconds > longest:
        percent = math.ceil(100 * (1 - longest / seconds))
        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG.format(percent=percent))
    return next(steps for most, steps in STEPS if seconds <= most)
