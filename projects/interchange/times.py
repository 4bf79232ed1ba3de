"""Milliseconds of our documents and frames of other editors.

A time becomes the nearest frame, a half the later one; a frame becomes the nearest millisecond. So
a time that stands on a frame's boundary comes back as it was, any other within half a frame and
half a millisecond. Begin and end of a clip are rounded each for itself: what touches still touches.
"""

import math

from opentimelineio.opentime import RationalTime, TimeRange

NTSC_TIMEBASES = (24, 30, 48, 60, 120)
MAX_RATE = 1_000_000
"""Sound is timed by its samples."""
MAX_SECONDS = 10**6


def exact_rate(frame_rate: float) -> float:
    """The rate that a project's two decimals mean: 29.97 is 30000/1001."""
    for timebase in NTSC_TIMEBASES:
        ntsc = timebase * 1000 / 1001
        if round(ntsc, 2) == round(frame_rate, 2):
            return ntsc
    return float(frame_rate)


def frame_of(at_ms: int, rate: float) -> int:
    """The nearest frame."""
    return math.floor(at_ms * rate / 1000 + 0.5)


def ms_of(at: RationalTime) -> int:
    """The nearest millisecond; raises ``ValueError`` for what is no time."""
    if not (0 < at.rate <= MAX_RATE and abs(at.value) <= MAX_SECONDS * at.rate):
        raise ValueError("A time in the file is none.")
    return round(at.value * 1000 / at.rate)


def span(begin: float, length: float, rate: float) -> TimeRange:
    """From a frame on, so many."""
    return TimeRange(RationalTime(begin, rate), RationalTime(length, rate))
