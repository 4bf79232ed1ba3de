"""How a text is given to F5-TTS: in which pieces, how long each, in how many steps.

F5-TTS continues a recording: it is given the sample's sound and text with the new text, and told
how many frames the whole lasts. The rate of speech follows from the sample's own (paper: arXiv
2410.06885, section 3.1; lengths are counted in bytes of UTF-8, as its authors do).
"""

from dataclasses import dataclass

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
STEPS = ((120.0, 32), (360.0, 16), (float("inf"), 10))
"""Seconds of speech up to which so many steps fit the time limit (the paper measured 0.15 of real
time for 16 steps, on an RTX 3090)."""


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
    """How many steps each piece is made in, by the frames of all of them."""
    seconds = frames / FRAMES_PER_SECOND
    return next(steps for most, steps in STEPS if seconds <= most)
