"""Milliseconds of our documents and frames of other editors.

A time becomes the nearest frame, a half the later one; a frame becomes the nearest millisecond. So
a time that stands on a frame's boundary comes back as it was, any other within half a frame and
half a millisecond. Begin and end of a clip are rounded each for itself: what touches still touches.
"""

import math
import re
from dataclasses import dataclass

from opentimelineio.opentime import RationalTime, TimeRange

NTSC_TIMEBASES = (24, 30, 48, 60, 120)
DROPPING_TIMEBASES = (30, 60)
TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)[:;.,](\d\d)", re.ASCII)
MAX_RATE = 1_000_000
"""Sound is timed by its samples."""
MAX_SECONDS = 10**6
LEADER_FROM_MS = 58 * 60_000
"""In an edit list, a first event this late in an hour is a leader before the next hour."""


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


def frames_in(duration_ms: int, rate: float) -> int:
    """Return how many frames begin within a duration, which is itself a rounded number."""
    return math.ceil((duration_ms - 0.5) * rate / 1000)


def ms_at(frame: float, rate: float) -> int:
    """The nearest millisecond; raises ``ValueError`` for what is no time."""
    if not (0 < rate <= MAX_RATE and abs(frame) <= MAX_SECONDS * rate):
        raise ValueError("A time in the file is none.")
    return round(frame * 1000 / rate)


def ms_of(at: RationalTime) -> int:
    """The same of a time of OpenTimelineIO."""
    return ms_at(at.value, at.rate)


def has_timecode(rate: float) -> bool:
    """Whether hours, minutes, seconds and frames are defined at this rate."""
    return bool(RationalTime.is_smpte_timecode_rate(rate))


def drops_frames(rate: float) -> bool:
    """Whether timecode at this rate may leave out numbers to keep pace with the clock."""
    return rate != round(rate) and round(rate) in DROPPING_TIMEBASES


@dataclass(frozen=True)
class Timecode:
    """How frames are numbered by a clock of ``timebase`` frames a second.

    ``drop``: the first two numbers of a minute (four at a timebase of 60) stand for no frame, but
    in every tenth minute.
    """

    timebase: int
    drop: bool

    @property
    def dropped(self) -> int:
        """How many numbers a minute leaves out."""
        return self.timebase // 15 if self.drop else 0

    def frame(self, text: str) -> int:
        """The frame of a number; raises ``ValueError`` where there is none."""
        found = TIMECODE.fullmatch(text)
        hours, minutes, seconds, frames = map(int, found.groups()) if found else (99, 0, 0, 0)
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= self.timebase:
            raise ValueError(f"{text} is no timecode of {self.timebase} frames a second.")
        if minutes % 10 and seconds == 0 and frames < self.dropped:
            raise ValueError(f"{text} is left out in drop-frame timecode.")
        minutes += 60 * hours
        counted = (minutes * 60 + seconds) * self.timebase + frames
        return counted - self.dropped * (minutes - minutes // 10)

    def text(self, frame: int) -> str:
        of_ten_minutes = self.timebase * 600 - 9 * self.dropped
        tens, rest = divmod(frame, of_ten_minutes)
        whole = (rest - self.dropped) // (self.timebase * 60 - self.dropped)
        seconds, frames = divmod(frame + self.dropped * (9 * tens + max(whole, 0)), self.timebase)
        hours, minutes = seconds // 3600, seconds // 60 % 60
        sign = ";" if self.drop else ":"
        return f"{hours:02}:{minutes:02}:{seconds % 60:02}{sign}{frames:02}"


def start_frame(text: str, file_rate: float | None, rate: float) -> int:
    """Return the frame, at ``rate``, of the timecode at which a file begins.

    The timecode counts the file's own frames. 0 for what is no timecode of them.
    """
    own = exact_rate(file_rate) if file_rate else rate
    drop = ";" in text
    if not has_timecode(own) or (drop and not drops_frames(own)):
        return 0
    try:
        frame = Timecode(round(own), drop).frame(text)
    except ValueError:
        return 0
    return math.floor(frame * rate / own + 0.5)


def span(begin: float, length: float, rate: float) -> TimeRange:
    """From a frame on, so many."""
    return TimeRange(RationalTime(begin, rate), RationalTime(length, rate))
