"""Read edit lists of CMX 3600: each element is read or refused (docs/interchange.md).

An event is one line, or two lines with the same number: the source and the target of a dissolve.
Lines of other kinds after it are notes about it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from projects.bounds import MAX_CROSS_FADE_MS, MAX_RATE, MIN_RATE
from projects.interchange.terms import ForeignTrack, MediaReference, Piece, Reading, build_reference
from projects.interchange.times import (
    LEADER_FROM_MS,
    Timecode,
    drops_frames,
    frame_to_ms,
    has_timecode,
)

BLACK = ("BL", "BLACK")
NAMELESS = ("AX", "BARS", *BLACK)
CHANNELS = {"V": (0,), "A": (1,), "AA": (1, 2), "B": (0, 1), "NONE": ()}
"""Numbers of channels of sound; 0 is the picture."""
CUT, DISSOLVE = "C", "D"
OTHER_KINDS = {"W": "wipe", "K": "key"}

ONES = r"\( *(?:1(?:\.0*)?[ ,]*){3}\)"
"""Slope or power of a colour correction that changes nothing."""
ZEROS = r"\( *(?:0(?:\.0*)?[ ,]*){3}\)"
"""Offset of a colour correction that changes nothing."""
CHANGING_NOTES = (
    (re.compile(r"EFFECTS? NAME(?: IS)?+:?\s++(?!(?:CROSS )?DISSOLVE\b)", re.I), "effect"),
    (re.compile(r"(\* )?FREEZE FRAME", re.I), "freeze"),
    (re.compile(r"AUDIO LEVEL .* IS (?!-?\+?0*(?:\.0*)? *DB)", re.I), "level"),
    (re.compile(r"(AUDIO PAN|OPACITY LEVEL|COMPOSITE MODE|KEY CLIP)", re.I), "effect"),
    (re.compile(rf"ASC_SOP:? *+(?!{ONES} *{ZEROS} *{ONES}$)", re.I), "grade"),
    (re.compile(r"ASC_SAT:? *+(?!1(\.0*)?$)", re.I), "grade"),
)
"""Notes about changes to picture or sound, each with the code by which it is refused."""
SILENT_LINES = re.compile(r"TITLE|GPI|SPLIT|FINAL CUT PRO REEL|\*|>")
"""Beginnings of lines that change nothing in the film."""
SPEED = re.compile(r"M2\s+(?:.*\s)?([-+]?\d+(?:\.\d*)?)\s+[\d:;.,]+$")
NAME = re.compile(r"\*?\s*(FROM|TO) CLIP NAME:\s*(.+)")
FILE = re.compile(r"\*?\s*(FROM|TO) (?:CLIP|FILE):\s*(.+)")
SOURCE_FILE = re.compile(r"\*?\s*(SOURCE) FILE:\s*(.+)")
FILE_START = re.compile(r"\*?\s*(FROM|TO) CLIP START:\s*(\S+)")
"""Matches our own note of the source timecode at which the file starts."""


@dataclass(frozen=True)
class Line:
    """One line of an event, in frames."""

    number: str
    reel: str
    channels: tuple[int, ...]
    kind: str
    fade: int
    source: tuple[int, int]
    record: tuple[int, int]
    counts_from_file_start: bool = False

    @property
    def is_black(self) -> bool:
        return self.reel in BLACK

    @property
    def length(self) -> int:
        return self.record[1] - self.record[0]


@dataclass
class Event:
    """An event: the fields of the lines with one number, and the notes after them."""

    lines: list[list[str]]
    notes: list[str] = field(default_factory=list)


@dataclass
class Cut:
    """A line's clip on one track; ``before`` is the line that it dissolves from."""

    line: Line
    source: MediaReference
    speed: float = 1
    before: tuple[Line, MediaReference] | None = None
    tail: int = 0
    """How many frames the clip goes on during the dissolve to the next."""
    fade_out: bool = False
    has_cross_fade: bool = False
    """True if the clip before it goes on during its dissolve."""


def read(text: str, rate: float) -> Reading:
    """Return the tracks: the picture, and one for each channel of sound."""
    reading = Reading()
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    clock = _read_clock(lines, rate, reading)
    if clock is None:
        return reading
    cuts: dict[int, list[Cut]] = {}
    for event in _group_events(lines, reading):
        parsed_lines = [_parse_line(fields, event.notes, clock) for fields in event.lines]
        for cut in _build_cuts(event, parsed_lines, rate, reading):
            for channel in _list_channels(cut.line, reading):
                cuts.setdefault(channel, []).append(Cut(**vars(cut)))
    begins = (cut.line.record[0] for channel_cuts in cuts.values() for cut in channel_cuts)
    origin = clock.origin(min(begins, default=0))
    for channel, channel_cuts in sorted(cuts.items()):
        joined_cuts = _join_cuts(channel_cuts, reading)
        pieces = [_build_piece(cut, rate, origin, channel, reading) for cut in joined_cuts]
        kind, name = ("audio", f"A{channel}") if channel else ("video", "V")
        reading.tracks.append(ForeignTrack(kind, name, pieces))
    return reading


@dataclass(frozen=True)
class Clock:
    """The timecode of a list: ``;`` marks a drop-frame time, or all times are drop-frame."""

    timebase: int
    all_drop: bool
    film_drops: bool
    """True if the times on the timeline are drop-frame."""

    def frame(self, text: str) -> int:
        return Timecode(self.timebase, self.all_drop or ";" in text).frame(text)

    def origin(self, first: int) -> int:
        """Return the frame at which the film begins, for a list whose first event is at ``first``.

        This is the full hour before the first event, because hours number tapes. A first event in
        the last minutes of an hour is a leader before the next hour: the film begins with it.
        """
        clock = Timecode(self.timebase, self.film_drops)
        hour = max(
            start for hour in range(24) if (start := clock.frame(f"{hour:02}:00:00:00")) <= first
        )
        is_leader = first - hour >= LEADER_FROM_MS * self.timebase / 1000
        return first if is_leader else hour


def _read_clock(lines: list[str], rate: float, reading: Reading) -> Clock | None:
    """Return how the list counts frames, or refuse it; the list does not state its rate."""
    modes = {line.partition(":")[2].strip().upper() for line in lines if line.startswith("FCM")}
    events = [line.split() for line in lines if line[0].isdigit()]
    has_marks = any(";" in time for fields in events for time in fields[-4:])
    is_drop_frame = modes == {"DROP FRAME"}
    if modes - {"DROP FRAME", "NON-DROP FRAME"} or len(modes) > 1:
        reading.refuse(
            "fcm",
            "The list changes its frame count (FCM) in the middle. Use one count for the whole "
            "list.",
        )
    elif not has_timecode(rate):
        reading.refuse(
            "frame_rate",
            f"There is no timecode for {rate:g} frames per second. Change the frame rate of the "
            "project.",
        )
    elif (is_drop_frame or has_marks) and not drops_frames(rate):
        reading.refuse(
            "frame_rate",
            f"The list is in drop-frame timecode, which does not exist at {rate:g} frames per "
            "second.",
        )
    else:
        all_drop = is_drop_frame and not has_marks
        film_has_marks = any(";" in time for fields in events for time in fields[-2:])
        return Clock(round(rate), all_drop, all_drop or film_has_marks)
    return None


def _group_events(lines: list[str], reading: Reading) -> Iterator[Event]:
    """Yield the events: lines with the same number, with their notes."""
    current: Event | None = None
    for line in lines:
        fields = line.split()
        if not line[0].isdigit():
            _check_note(line, current, reading)
            if current is not None:
                current.notes.append(line)
        elif current is not None and fields[0] == current.lines[0][0]:
            current.lines.append(fields)
        else:
            if current is not None:
                yield current
            current = Event([fields])
    if current is not None:
        yield current


def _check_note(line: str, event: Event | None, reading: Reading) -> None:
    number = event.lines[0][0] if event else ""
    note = line.removeprefix("*").strip()
    for pattern, code in CHANGING_NOTES:
        if pattern.match(note):
            detail = "Our timeline cannot represent what this note describes."
            reading.refuse(code, detail, event=number, name=note)
            return
    known_prefixes = ("FCM", "M2", "AUD", "EFFECT", "ASC_", "FROM ", "TO ", "SOURCE ", "REEL")
    if not SILENT_LINES.match(line) and not line.startswith(known_prefixes):
        reading.refuse("line", "This kind of line is unknown.", event=number, name=line)


def _parse_line(fields: list[str], notes: list[str], clock: Clock) -> Line:
    if not 8 <= len(fields) <= 11:
        raise ValueError(f"Event {fields[0]} has {len(fields)} fields.")
    number, reel, channels, kind, *parameters = fields[:-4]
    times = [clock.frame(time) for time in fields[-4:]]
    fade = 0
    if kind == DISSOLVE and len(parameters) == 1 and parameters[0].isdecimal():
        fade = int(parameters[0])
    elif kind == DISSOLVE or (kind == CUT and parameters):
        raise ValueError(f"Event {number} has a transition that cannot be read.")
    if times[3] < times[2]:
        raise ValueError(f"Event {number} ends before it begins.")
    all_channels = (*_parse_channels(channels), *_parse_extra_channels(notes))
    side = "TO" if fade else "FROM"
    starts = [match[2] for note in notes if (match := FILE_START.match(note)) and match[1] == side]
    start = clock.frame(starts[0]) if starts else 0
    source = (times[0] - start, times[1] - start)
    return Line(number, reel, all_channels, kind, fade, source, (times[2], times[3]), bool(starts))


def _parse_channels(code: str) -> tuple[int, ...]:
    """Return the channels of codes such as ``AA/V``; -1 for an unknown code."""
    channels: list[int] = []
    for part in code.split("/"):
        number = re.fullmatch(r"A([1-4])", part)
        channels += [int(number[1])] if number else CHANNELS.get(part, (-1,))
    return tuple(dict.fromkeys(channels))


def _parse_extra_channels(notes: list[str]) -> Iterator[int]:
    """Yield the third and fourth channels, which have lines of their own."""
    for note in notes:
        if note.startswith("AUD"):
            yield from (int(number) if number in ("3", "4") else -1 for number in note.split()[1:])


def _list_channels(line: Line, reading: Reading) -> list[int]:
    if -1 in line.channels:
        detail = "The channel is unknown. Use V, A, A1 to A4, AA, B or NONE."
        reading.refuse("channel", detail, event=line.number)
        return []
    return list(dict.fromkeys(line.channels))


def _build_cuts(event: Event, lines: list[Line], rate: float, reading: Reading) -> Iterator[Cut]:
    """Yield the cuts of an event."""
    number = lines[0].number
    for line in lines:
        if line.kind not in (CUT, DISSOLVE):
            code = OTHER_KINDS.get(line.kind[:1], "transition")
            reading.refuse(code, "Only cuts and dissolves can join clips.", event=number)
            return
        if line.reel == "BARS":
            reading.refuse("generator", "A clip plays a media file.", event=number)
            return
    *heads, last = lines
    if any(line.kind == DISSOLVE for line in heads):
        raise ValueError(f"Event {number} has several transitions.")
    sources = [_find_source(event.notes, ("FROM", "SOURCE"), line.reel) for line in lines]
    speed = _read_speed(event.notes, lines, rate, reading)
    if last.kind == DISSOLVE and last.fade:
        yield from _build_dissolve(event, heads, last, sources, reading)
    else:
        for line, source in zip(lines, sources, strict=True):
            yield Cut(line, source, speed)


def _build_dissolve(
    event: Event, heads: list[Line], last: Line, sources: list[MediaReference], reading: Reading
) -> Iterator[Cut]:
    if (
        len(heads) != 1
        or heads[0].channels != last.channels
        or heads[0].record[1] != last.record[0]
    ):
        detail = (
            "A dissolve must follow a line for its source, which ends where the dissolve begins."
        )
        reading.refuse("dissolve", detail, event=last.number)
        return
    (before,) = heads
    if last.fade > last.length:
        reading.refuse("dissolve", "The dissolve is longer than its clip.", event=last.number)
        return
    if before.length:
        yield Cut(before, sources[0])
    target = _find_source(event.notes, ("TO",), last.reel)
    yield Cut(last, target, before=(before, sources[0]))


def _read_speed(notes: list[str], lines: list[Line], rate: float, reading: Reading) -> float:
    """Return the speed, in frames of the source for each frame of the timeline."""
    speeds = [note for note in notes if note.startswith("M2")]
    speed = 1.0
    if speeds:
        match = SPEED.match(speeds[0])
        if match is None:
            raise ValueError("An M2 line cannot be read.")
        speed = round(float(match[1]) / round(rate), 3)
    number = lines[0].number
    if speed != 1 and (len(lines) > 1 or len(speeds) > 1):
        reading.refuse("speed", "A clip can have one speed only, and no dissolve.", event=number)
    elif not MIN_RATE <= speed <= MAX_RATE:
        reading.refuse("speed", "The speed must be from 0.1 to 10, forwards.", event=number)
    else:
        for line in lines:
            if not line.is_black and not _has_matching_length(line, speed, rate):
                detail = "Its durations in the source and on the timeline differ."
                reading.refuse("speed", detail, event=number)
    return speed


def _has_matching_length(line: Line, speed: float, rate: float) -> bool:
    """Return True if the line is as long as its source; speeds are given in tenths of a frame."""
    length = line.source[1] - line.source[0]
    slack = 0 if speed == 1 else 1 + 0.1 * line.length / rate
    return abs(length - line.length * speed) <= slack


def _find_source(notes: Iterable[str], prefixes: tuple[str, ...], reel: str) -> MediaReference:
    """Return the file that the notes name, or else the reel."""
    url = name = ""
    for note in notes:
        for pattern in (NAME, FILE, SOURCE_FILE):
            match = pattern.match(note)
            if match and match[1] in prefixes:
                url, name = (url, match[2]) if pattern is NAME else (match[2], name)
    return build_reference(url, name or ("" if url or reel in NAMELESS else reel))


def _join_cuts(cuts: list[Cut], reading: Reading) -> list[Cut]:
    """Return the cuts in order, each extended by the dissolve to the next; black plays nothing."""
    joined: list[Cut] = []
    end = 0
    for cut in sorted(cuts, key=lambda cut: cut.line.record):
        line = cut.line
        if line.record[0] < end:
            detail = "It begins before the previous event has ended."
            reading.refuse("overlap", detail, event=line.number)
        if cut.before is not None and not cut.before[0].is_black:
            _extend_before(cut, *cut.before, joined)
        if not line.is_black:
            joined.append(cut)
        end = line.record[1]
    return [cut for cut in joined if cut.line.length + cut.tail]


def _extend_before(cut: Cut, before: Line, source: MediaReference, joined: list[Cut]) -> None:
    """Extend the clip that a dissolve begins with, which may have no event of its own."""
    begin = cut.line.record[0]
    last = joined[-1].line if joined else before
    if not joined or (last.record[1], last.source[1], last.reel) != (
        begin,
        before.source[1],
        before.reel,
    ):
        end = before.source[1]
        empty_line = replace(before, source=(end, end), record=(begin, begin))
        joined.append(Cut(empty_line, source))
    joined[-1].tail = cut.line.fade
    joined[-1].fade_out = cut.line.is_black
    cut.has_cross_fade = True


def _build_piece(cut: Cut, rate: float, origin: int, channel: int, reading: Reading) -> Piece:
    begin, end = (frame - origin for frame in cut.line.record)
    fade_ms = frame_to_ms(begin + cut.line.fade, rate) - frame_to_ms(begin, rate)
    finish = frame_to_ms(end + cut.tail, rate)
    fade_out_ms = finish - frame_to_ms(end, rate) if cut.fade_out else 0
    if max(fade_ms, fade_out_ms) > MAX_CROSS_FADE_MS:
        reading.refuse("dissolve", "The dissolve is too long.", event=cut.line.number)
    return Piece(
        begin_ms=frame_to_ms(begin, rate),
        end_ms=finish,
        in_ms=frame_to_ms(cut.line.source[0], rate),
        source=cut.source,
        speed=cut.speed,
        cross_fade_ms=fade_ms if cut.has_cross_fade else 0,
        fade_in_ms=0 if cut.has_cross_fade else fade_ms,
        fade_out_ms=fade_out_ms,
        frame_ms=1000 / rate,
        counts_from_file_start=cut.line.counts_from_file_start,
        channel=channel,
    )
