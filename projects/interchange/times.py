"""Convert between the milliseconds of our documents and the frames of other editors.

A time becomes the nearest frame, a half the later frame; a frame becomes the nearest millisecond.
So a time on the boundary of a frame comes back unchanged, any other within half a frame and half a
millisecond. Begin and end of a clip are rounded separately, so adjacent clips stay adjacent.
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


def get_exact_rate(frame_rate: float) -> float:
    """Return the rate that a project's two decimals stand for: 29.97 is 30000/1001."""
    for timebase in NTSC_TIMEBASES:
        ntsc = timebase * 1000 / 1001
        if round(ntsc, 2) == round(frame_rate, 2):
            return ntsc
    return float(frame_rate)


def to_frame(at_ms: int, rate: float) -> int:
    """Return the nearest frame."""
    return math.floor(at_ms * rate / 1000 + 0.5)


def count_frames(duration_ms: int, rate: float) -> int:
    """Return how many frames begin within a duration, which is itself a rounded number."""
    return math.ceil((duration_ms - 0.5) * rate / 1000)


def frame_to_ms(frame: float, rate: float) -> int:
    """Return the nearest millisecond; raise ``ValueError`` for a rate or time out of bounds."""
    if not (0 < rate <= MAX_RATE and abs(frame) <= MAX_SECONDS * rate):
        raise ValueError("The file has an invalid time.")
    return round(frame * 1000 / rate)


def time_to_ms(at: RationalTime) -> int:
    """Return the nearest millisecond of a time of OpenTimelineIO."""
    return frame_to_ms(at.value, at.rate)


def has_timecode(rate: float) -> bool:
    """Return True if a timecode of hours, minutes, seconds and frames exists at this rate."""
    return bool(RationalTime.is_smpte_timecode_rate(rate))


def drops_frames(rate: float) -> bool:
    """Return True if timecode at this rate may skip numbers to keep pace with the clock."""
    return rate != round(rate) and round(rate) in DROPPING_TIMEBASES


@dataclass(frozen=True)
class Timecode:
    """A numbering of frames with ``timebase`` frames a second.

    With ``drop``, the first two numbers of a minute (four at a timebase of 60) are skipped, except
    in every tenth minute.
    """

    timebase: int
    drop: bool

    @property
    def dropped(self) -> int:
        """Return how many numbers a minute skips."""
        return self.timebase // 15 if self.drop else 0

    def frame(self, text: str) -> int:
        """Return the frame of a timecode; raise ``ValueError`` if there is none."""
        match = TIMECODE.fullmatch(text)
        hours, minutes, seconds, frames = map(int, match.groups()) if match else (99, 0, 0, 0)
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= self.timebase:
            raise ValueError(f"{text} is not a timecode of {self.timebase} frames per second.")
        if minutes % 10 and seconds == 0 and frames < self.dropped:
            raise ValueError(f"{text} does not exist in drop-frame timecode.")
        minutes += 60 * hours
        counted = (minutes * 60 + seconds) * self.timebase + frames
        return counted - self.dropped * (minutes - minutes // 10)

    def text(self, frame: int) -> str:
        of_ten_minutes = self.timebase * 600 - 9 * self.dropped
        tens, remainder = divmod(frame, of_ten_minutes)
        minute_index = (remainder - self.dropped) // (self.timebase * 60 - self.dropped)
        seconds, frames = divmod(
            frame + self.dropped * (9 * tens + max(minute_index, 0)), self.timebase
        )
        hours, minutes = seconds // 3600, seconds // 60 % 60
        sign = ";" if self.drop else ":"
        return f"{hours:02}:{minutes:02}:{seconds % 60:02}{sign}{frames:02}"


def compute_start_frame(text: str, file_rate: float | None, rate: float) -> int:
    """Return the frame, at ``rate``, of the timecode at which a file begins.

    The timecode counts the file's own frames. Return 0 for a timecode that they do not have.
    """
    exact_file_rate = get_exact_rate(file_rate) if file_rate else rate
    drop = ";" in text
    if not has_timecode(exact_file_rate) or (drop and not drops_frames(exact_file_rate)):
        return 0
    try:
        frame = Timecode(round(exact_file_rate), drop).frame(text)
    except ValueError:
        return 0
    return math.floor(frame * rate / exact_file_rate + 0.5)


def build_time_range(begin: float, length: float, rate: float) -> TimeRange:
    """Return the time range of ``length`` frames from the frame ``begin``."""
    return TimeRange(RationalTime(begin, rate), RationalTime(length, rate))
