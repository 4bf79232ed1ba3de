"""What an edit list of CMX 3600 plays. Each element is held or refused (docs/interchange.md).

An event is one line, or two of one number: what is dissolved from and what to. Lines of other kinds
behind it are notes about it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from projects.bounds import MAX_CROSS_FADE_MS, MAX_RATE, MIN_RATE
from projects.interchange.terms import ForeignTrack, MediaReference, Piece, Reading, reference_at
from projects.interchange.times import LEADER_FROM_MS, Timecode, drops_frames, has_timecode, ms_at

BLACK = ("BL", "BLACK")
NAMELESS = ("AX", "BARS", *BLACK)
CHANNELS = {"V": (0,), "A": (1,), "AA": (1, 2), "B": (0, 1), "NONE": ()}
"""Numbers of channels of sound; 0 is the picture."""
CUT, DISSOLVE = "C", "D"
OTHER_KINDS = {"W": "wipe", "K": "key"}

ONES = r"\( *(?:1(?:\.0*)?[ ,]*){3}\)"
"""What a colour is multiplied by, or raised to, if it is not changed;"""
ZEROS = r"\( *(?:0(?:\.0*)?[ ,]*){3}\)"
"""and what is added to it."""
CHANGING_NOTES = (
    (re.compile(r"EFFECTS? NAME(?: IS)?+:?\s++(?!(?:CROSS )?DISSOLVE\b)", re.I), "effect"),
    (re.compile(r"(\* )?FREEZE FRAME", re.I), "freeze"),
    (re.compile(r"AUDIO LEVEL .* IS (?!-?\+?0*(?:\.0*)? *DB)", re.I), "level"),
    (re.compile(r"(AUDIO PAN|OPACITY LEVEL|COMPOSITE MODE|KEY CLIP)", re.I), "effect"),
    (re.compile(rf"ASC_SOP:? *+(?!{ONES} *{ZEROS} *{ONES}$)", re.I), "grade"),
    (re.compile(r"ASC_SAT:? *+(?!1(\.0*)?$)", re.I), "grade"),
)
"""What notes tell of changes to picture or sound."""
SILENT_LINES = re.compile(r"TITLE|GPI|SPLIT|FINAL CUT PRO REEL|\*|>")
"""Lines that change nothing in the film."""
SPEED = re.compile(r"M2\s+(?:.*\s)?([-+]?\d+(?:\.\d*)?)\s+[\d:;.,]+$")
NAME = re.compile(r"\*?\s*(FROM|TO) CLIP NAME:\s*(.+)")
FILE = re.compile(r"\*?\s*(FROM|TO) (?:CLIP|FILE):\s*(.+)")
SOURCE_FILE = re.compile(r"\*?\s*(SOURCE) FILE:\s*(.+)")
FILE_START = re.compile(r"\*?\s*(FROM|TO) CLIP START:\s*(\S+)")
"""Our own note: the source timecode at which the file starts."""


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
    def black(self) -> bool:
        return self.reel in BLACK

    @property
    def length(self) -> int:
        return self.record[1] - self.record[0]


@dataclass
class Event:
    """The lines of one number, and what stands behind them."""

    lines: list[list[str]]
    notes: list[str] = field(default_factory=list)


@dataclass
class Cut:
    """What one line plays on one track; ``before`` is the one that it dissolves from."""

    line: Line
    source: MediaReference
    speed: float = 1
    before: tuple[Line, MediaReference] | None = None
    tail: int = 0
    """How long it plays on, in frames, while the next is dissolved to."""
    fade_out: bool = False
    faded: bool = False
    """Whether the clip before it plays on during its dissolve."""


def read(text: str, rate: float) -> Reading:
    """The tracks: the picture, and each channel of sound."""
    reading = Reading()
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    clock = _clock(lines, rate, reading)
    if clock is None:
        return reading
    cuts: dict[int, list[Cut]] = {}
    for event in _events(lines, reading):
        parsed = [_line(fields, event.notes, clock) for fields in event.lines]
        for cut in _cuts(event, parsed, rate, reading):
            for channel in _tracks_of(cut.line, reading):
                cuts.setdefault(channel, []).append(Cut(**vars(cut)))
    begins = (cut.line.record[0] for found in cuts.values() for cut in found)
    origin = clock.origin(min(begins, default=0))
    for channel, found in sorted(cuts.items()):
        joined = _joined(found, reading)
        pieces = [_piece(cut, rate, origin, channel, reading) for cut in joined]
        kind, name = ("audio", f"A{channel}") if channel else ("video", "V")
        reading.tracks.append(ForeignTrack(kind, name, pieces))
    return reading


@dataclass(frozen=True)
class Clock:
    """Timecode as the list writes it: ``;`` marks what is drop-frame, or all of it is."""

    timebase: int
    all_drop: bool
    film_drops: bool
    """Whether the times on the timeline are drop-frame."""

    def frame(self, text: str) -> int:
        return Timecode(self.timebase, self.all_drop or ";" in text).frame(text)

    def origin(self, first: int) -> int:
        """Return where the film begins, of a list whose first event is at this frame.

        That is the whole hour before it, which tells of a tape and not of the film. A first event
        in the last minutes of an hour is a leader before the next one: the film begins with it.
        """
        clock = Timecode(self.timebase, self.film_drops)
        hour = max(
            start for hour in range(24) if (start := clock.frame(f"{hour:02}:00:00:00")) <= first
        )
        is_leader = first - hour >= LEADER_FROM_MS * self.timebase / 1000
        return first if is_leader else hour


def _clock(lines: list[str], rate: float, reading: Reading) -> Clock | None:
    """How the list counts frames; it does not tell its rate."""
    modes = {line.partition(":")[2].strip().upper() for line in lines if line.startswith("FCM")}
    events = [line.split() for line in lines if line[0].isdigit()]
    marked = any(";" in each for fields in events for each in fields[-4:])
    dropping = modes == {"DROP FRAME"}
    if modes - {"DROP FRAME", "NON-DROP FRAME"} or len(modes) > 1:
        reading.refuse("fcm", "One count of frames holds for the whole list.")
    elif not has_timecode(rate):
        reading.refuse("frame_rate", f"There is no timecode of {rate:g} frames a second.")
    elif (dropping or marked) and not drops_frames(rate):
        reading.refuse("frame_rate", f"At {rate:g} frames a second no timecode is dropped.")
    else:
        all_drop = dropping and not marked
        film = any(";" in each for fields in events for each in fields[-2:])
        return Clock(round(rate), all_drop, all_drop or film)
    return None


def _events(lines: list[str], reading: Reading) -> Iterator[Event]:
    """Lines of one number together, with their notes."""
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
    for pattern, what in CHANGING_NOTES:
        if pattern.match(note):
            detail = "Our timeline does not hold what this note tells."
            reading.refuse(what, detail, event=number, name=note)
            return
    known = ("FCM", "M2", "AUD", "EFFECT", "ASC_", "FROM ", "TO ", "SOURCE ", "REEL")
    if not SILENT_LINES.match(line) and not line.startswith(known):
        reading.refuse("line", "This kind of line is not known.", event=number, name=line)


def _line(fields: list[str], notes: list[str], clock: Clock) -> Line:
    if not 8 <= len(fields) <= 11:
        raise ValueError(f"Event {fields[0]} has {len(fields)} fields.")
    number, reel, channels, kind, *parameters = fields[:-4]
    times = [clock.frame(each) for each in fields[-4:]]
    fade = 0
    if kind == DISSOLVE and len(parameters) == 1 and parameters[0].isdecimal():
        fade = int(parameters[0])
    elif kind == DISSOLVE or (kind == CUT and parameters):
        raise ValueError(f"Event {number} has a transition that cannot be read.")
    if times[3] < times[2]:
        raise ValueError(f"Event {number} ends before it begins.")
    found = (*_channels(channels), *_more_channels(notes))
    way = "TO" if fade else "FROM"
    starts = [match[2] for note in notes if (match := FILE_START.match(note)) and match[1] == way]
    start = clock.frame(starts[0]) if starts else 0
    source = (times[0] - start, times[1] - start)
    return Line(number, reel, found, kind, fade, source, (times[2], times[3]), bool(starts))


def _channels(code: str) -> tuple[int, ...]:
    """The channels of such codes as ``AA/V``; -1 for one that is not of the format."""
    found: list[int] = []
    for part in code.split("/"):
        number = re.fullmatch(r"A([1-4])", part)
        found += [int(number[1])] if number else CHANNELS.get(part, (-1,))
    return tuple(dict.fromkeys(found))


def _more_channels(notes: list[str]) -> Iterator[int]:
    """The third and fourth, which have a line of their own."""
    for note in notes:
        if note.startswith("AUD"):
            yield from (int(each) if each in ("3", "4") else -1 for each in note.split()[1:])


def _tracks_of(line: Line, reading: Reading) -> list[int]:
    if -1 in line.channels:
        detail = "The channels are V, A, A1 to A4, AA, B and NONE."
        reading.refuse("channel", detail, event=line.number)
        return []
    return list(dict.fromkeys(line.channels))


def _cuts(event: Event, lines: list[Line], rate: float, reading: Reading) -> Iterator[Cut]:
    """What an event plays."""
    number = lines[0].number
    for line in lines:
        if line.kind not in (CUT, DISSOLVE):
            what = OTHER_KINDS.get(line.kind[:1], "transition")
            reading.refuse(what, "Clips are joined by cuts and dissolves.", event=number)
            return
        if line.reel == "BARS":
            reading.refuse("generator", "A clip plays a media file.", event=number)
            return
    *heads, last = lines
    if any(line.kind == DISSOLVE for line in heads):
        raise ValueError(f"Event {number} has several transitions.")
    sources = [_source(event.notes, ("FROM", "SOURCE"), line.reel) for line in lines]
    speed = _speed(event.notes, lines, rate, reading)
    if last.kind == DISSOLVE and last.fade:
        yield from _dissolved(event, heads, last, sources, reading)
    else:
        for line, source in zip(lines, sources, strict=True):
            yield Cut(line, source, speed)


def _dissolved(
    event: Event, heads: list[Line], last: Line, sources: list[MediaReference], reading: Reading
) -> Iterator[Cut]:
    if (
        len(heads) != 1
        or heads[0].channels != last.channels
        or heads[0].record[1] != last.record[0]
    ):
        detail = (
            "A dissolve has a line before it, of what it comes from, that ends where it begins."
        )
        reading.refuse("dissolve", detail, event=last.number)
        return
    (before,) = heads
    if last.fade > last.length:
        reading.refuse("dissolve", "A dissolve is no longer than its clip.", event=last.number)
        return
    if before.length:
        yield Cut(before, sources[0])
    target = _source(event.notes, ("TO",), last.reel)
    yield Cut(last, target, before=(before, sources[0]))


def _speed(notes: list[str], lines: list[Line], rate: float, reading: Reading) -> float:
    """Frames of the source for a frame of the timeline."""
    speeds = [note for note in notes if note.startswith("M2")]
    speed = 1.0
    if speeds:
        found = SPEED.match(speeds[0])
        if found is None:
            raise ValueError("An M2 line cannot be read.")
        speed = round(float(found[1]) / round(rate), 3)
    number = lines[0].number
    if speed != 1 and (len(lines) > 1 or len(speeds) > 1):
        reading.refuse("speed", "One clip has one speed, and cuts around it.", event=number)
    elif not MIN_RATE <= speed <= MAX_RATE:
        reading.refuse("speed", "A speed is forwards, from 0.1 to 10.", event=number)
    else:
        for line in lines:
            if not line.black and not _fits(line, speed, rate):
                detail = "Its times in the source and on the timeline are not equally long."
                reading.refuse("speed", detail, event=number)
    return speed


def _fits(line: Line, speed: float, rate: float) -> bool:
    """Whether it is as long as its source; speeds are given in tenths of a frame."""
    length = line.source[1] - line.source[0]
    slack = 0 if speed == 1 else 1 + 0.1 * line.length / rate
    return abs(length - line.length * speed) <= slack


def _source(notes: Iterable[str], prefixes: tuple[str, ...], reel: str) -> MediaReference:
    """The file that the notes name, else the reel."""
    url = name = ""
    for note in notes:
        for pattern in (NAME, FILE, SOURCE_FILE):
            found = pattern.match(note)
            if found and found[1] in prefixes:
                url, name = (url, found[2]) if pattern is NAME else (found[2], name)
    return reference_at(url, name or ("" if url or reel in NAMELESS else reel))


def _joined(cuts: list[Cut], reading: Reading) -> list[Cut]:
    """In order, each playing on while the next is dissolved to; black plays nothing."""
    played: list[Cut] = []
    end = 0
    for cut in sorted(cuts, key=lambda each: each.line.record):
        line = cut.line
        if line.record[0] < end:
            detail = "It begins before the event before it has ended."
            reading.refuse("overlap", detail, event=line.number)
        if cut.before is not None and not cut.before[0].black:
            _play_on(cut, *cut.before, played)
        if not line.black:
            played.append(cut)
        end = line.record[1]
    return [cut for cut in played if cut.line.length + cut.tail]


def _play_on(cut: Cut, before: Line, source: MediaReference, played: list[Cut]) -> None:
    """Let what is dissolved from play on, which may have no event of its own."""
    begin = cut.line.record[0]
    last = played[-1].line if played else before
    if not played or (last.record[1], last.source[1], last.reel) != (
        begin,
        before.source[1],
        before.reel,
    ):
        end = before.source[1]
        empty = replace(before, source=(end, end), record=(begin, begin))
        played.append(Cut(empty, source))
    played[-1].tail = cut.line.fade
    played[-1].fade_out = cut.line.black
    cut.faded = True


def _piece(cut: Cut, rate: float, origin: int, channel: int, reading: Reading) -> Piece:
    begin, end = (frame - origin for frame in cut.line.record)
    faded = ms_at(begin + cut.line.fade, rate) - ms_at(begin, rate)
    finish = ms_at(end + cut.tail, rate)
    out = finish - ms_at(end, rate) if cut.fade_out else 0
    if max(faded, out) > MAX_CROSS_FADE_MS:
        reading.refuse("dissolve", "A dissolve is too long.", event=cut.line.number)
    return Piece(
        begin_ms=ms_at(begin, rate),
        end_ms=finish,
        in_ms=ms_at(cut.line.source[0], rate),
        source=cut.source,
        speed=cut.speed,
        cross_fade_ms=faded if cut.faded else 0,
        fade_in_ms=0 if cut.faded else faded,
        fade_out_ms=out,
        frame_ms=1000 / rate,
        counts_from_file_start=cut.line.counts_from_file_start,
        channel=channel,
    )
