"""What a sequence of FCP XML (xmeml) plays. Each element is held or refused (docs/interchange.md).

Elements that are not known are refused: the tables below say which are read, and which change
nothing in the film.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from xml.etree.ElementTree import Element, fromstring

from projects.bounds import MAX_CROSS_FADE_MS
from projects.interchange.terms import ForeignTrack, MediaReference, Piece, Reading, reference_at
from projects.interchange.times import exact_rate, ms_at

Rules = Mapping[str, tuple[str, tuple[str, ...]] | None]
"""What may stand in an element: None is read, or changes nothing; else as what it is refused unless
its text is one of these."""


def _neutral(tags: str) -> dict[str, None]:
    return dict.fromkeys(tags.split())


FALSE = ("false", "0", "")
ZERO = ("0", "0.0", "")
NOTES = _neutral("""
    name uuid labels label comments logginginfo marker metadata masterclipid ismasterclip
    itemhistory bookmark
""")
SEQUENCE: Rules = NOTES | _neutral("duration rate timecode in out media updatebehavior")
MEDIA: Rules = _neutral("video audio")
VIDEO: Rules = _neutral("format track")
AUDIO: Rules = _neutral("format track in out channelcount numOutputChannels outputs")
TRACK: Rules = {
    **_neutral("name enabled locked outputchannelindex clipitem transitionitem"),
    "generatoritem": ("generator", ()),
}
CLIP: Rules = {
    **NOTES,
    **_neutral("""
        duration rate start end in out enabled file filter link timecode sourcetrack anamorphic
        pixelaspectratio fielddominance hidetimecode syncoffset pproTicksIn pproTicksOut
        defaultangle colorinfo stillframeoffset
    """),
    "sequence": ("nested", ()),
    "multiclip": ("nested", ()),
    "subclipinfo": ("subclip", ()),
    "mediadelay": ("delay", ZERO),
    "stillframe": ("freeze", FALSE),
    "compositemode": ("composite", ("normal",)),
    "alphatype": ("alpha", ("none", "straight")),
    "alphareverse": ("alpha", FALSE),
}
TRANSITION: Rules = _neutral("rate start end alignment cutPointTicks effect name")
DISSOLVE: Rules = {
    **_neutral("""
        name effectid effectcategory effecttype mediatype wipecode wipeaccuracy duration
    """),
    "startratio": ("transition", ZERO),
    "endratio": ("transition", ("1", "1.0")),
    "reverse": ("transition", FALSE),
}
DISSOLVES = ("cross dissolve", "cross fade (+3db)", "kgaudiotranscrossfade3db")
"""What ours sounds and looks like: pictures linearly, sounds at equal power."""
PARAMETERS: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "basic": {
        **dict.fromkeys(("rotation", "center", "centeroffset", "antiflicker"), ("0",)),
        "scale": ("100",),
    },
    "opacity": {"opacity": ("100",)},
    "crop": dict.fromkeys(("left", "right", "top", "bottom", "edgefeather"), ("0",)),
    "audiolevels": {"level": ("1",)},
    "audiopan": {"pan": ("0",)},
    "timeremap": {
        "speed": ("100",),
        "reverse": FALSE,
        "variablespeed": FALSE,
        "frameblending": None,
    },
}
"""Filters, and the values at which they do nothing."""


@dataclass(frozen=True)
class Beside:
    """A transition and where it stands, in frames of the sequence."""

    element: Element
    start: int
    end: int


@dataclass
class Shown:
    """A clip on a track, as long as it is seen, in frames of the sequence."""

    element: Element
    start: int
    end: int
    before: Beside | None
    after: Beside | None
    fade: int = 0
    fade_in: int = 0
    fade_out: int = 0


def read(text: str, _: float) -> Reading:
    """The tracks of the one sequence; raises ``ValueError`` where there are several or none."""
    root = fromstring(text)  # noqa: S314 (`guarding.check_xml` has refused entities)
    found = [each for each in _sequences(root) if each.find("media") is not None]
    if len(found) != 1:
        raise ValueError("The file must hold one sequence.")
    return _Sequence(root, found[0]).reading


def _sequences(element: Element) -> Iterator[Element]:
    """Those that are not nested in a clip."""
    for child in element:
        if child.tag == "sequence":
            yield child
        elif child.tag != "clipitem":
            yield from _sequences(child)


class _Sequence:
    """Reads one sequence; a file is described once, with any of the clips that play it."""

    def __init__(self, root: Element, sequence: Element) -> None:
        self.reading = Reading()
        self._files: dict[str, Element] = {}
        for file in root.iter("file"):
            if len(file) and file.get("id"):
                self._files.setdefault(file.get("id", ""), file)
        self._source = cache(self._read_source)
        self._rate = _rate(sequence, None)
        self._check(sequence, SEQUENCE)
        media = sequence.find("media")
        for child in media if media is not None else ():
            self._check(child, VIDEO if child.tag == "video" else AUDIO)
            for track in child.findall("track"):
                self._read_track(track, child.tag)
        if media is not None:
            self._check(media, MEDIA)
        self._check_outputs(sequence)

    def _check(self, element: Element, rules: Rules, **where: str) -> None:
        """Name what is not known, or not of a value that changes nothing."""
        for child in element:
            rule = rules.get(child.tag, ("element", ()))
            if rule is None or _text(child) in rule[1]:
                continue
            what = rule[0] if isinstance(child.tag, str) else "element"
            named = where or {"name": _text(element.find("name"), fold=False)}
            detail = f"`{child.tag}` in `{element.tag}` is not held."
            self.reading.refuse(what, detail, **named)

    def _check_outputs(self, sequence: Element) -> None:
        for downmix in sequence.iterfind("./media/audio/outputs/group/downmix"):
            if _text(downmix) not in ZERO:
                self.reading.refuse("level", "Channels are mixed at their own level.")

    def _read_track(self, track: Element, kind: str) -> None:
        self._check(track, TRACK)
        enabled = _flag(track, "enabled")
        name = _text(track.find("name"), fold=False)
        exploded = int(track.get("currentExplodedTrackIndex", "0")) + 1
        shown = self._shown(track)
        pieces = [self._piece(each, enabled, kind, exploded) for each in shown]
        self.reading.tracks.append(ForeignTrack(kind, name, pieces))

    def _shown(self, track: Element) -> list[Shown]:
        """The clips of a track with their transitions."""
        items = [each for each in track if each.tag in ("clipitem", "transitionitem")]
        beside = [self._beside(each) for each in items]
        shown: list[Shown | None] = []
        for index, element in enumerate(items):
            before = beside[index - 1] if index else None
            after = beside[index + 1] if index + 1 < len(items) else None
            clip = element.tag == "clipitem"
            shown.append(_shown(element, before, after) if clip else None)
        for index, transition in enumerate(beside):
            if transition is not None:
                head = shown[index - 1] if index else None
                tail = shown[index + 1] if index + 1 < len(shown) else None
                self._join(transition, head, tail)
        return [each for each in shown if each is not None]

    def _beside(self, element: Element) -> Beside | None:
        if element.tag != "transitionitem":
            return None
        return Beside(element, _number(element, "start"), _number(element, "end"))

    def _join(self, transition: Beside, head: Shown | None, tail: Shown | None) -> None:
        """Give a transition to the clips that it joins; it fades one that stands alone."""
        self._check_transition(transition.element)
        start, end = transition.start, transition.end
        length = end - start
        alignment = _text(transition.element.find("alignment"))
        leaves = head is not None and head.end == end and length <= head.end - head.start
        enters = tail is not None and tail.start == start and length <= tail.end - tail.start
        seconds = length / self._rate
        if length < 1 or seconds * 1000 > MAX_CROSS_FADE_MS:
            self._refuse_transition("It is too long, or not at all.")
        elif head is not None and tail is not None and leaves and enters:
            tail.fade = length
            if _flag(head.element, "enabled") != _flag(tail.element, "enabled"):
                self._refuse_transition("One of the clips that it joins is not seen.")
        elif tail is not None and enters and _apart(head, start, alignment == "start-black"):
            tail.fade_in = length
        elif head is not None and leaves and _apart_after(tail, end, alignment == "end-black"):
            head.fade_out = length
        else:
            self._refuse_transition("The clips beside it do not overlap as long as it takes.")

    def _check_transition(self, element: Element) -> None:
        self._check(element, TRANSITION, name="")
        effect = element.find("effect")
        if effect is None:
            self._refuse_transition("It does not say what it is.")
            return
        kind = _text(effect.find("effectid")) or _text(effect.find("name"))
        if kind in DISSOLVES:
            self._check(effect, DISSOLVE)
        else:
            name = _text(effect.find("name"), fold=False) or kind
            self.reading.refuse("transition", "It is no cross-fade.", name=name)

    def _refuse_transition(self, detail: str) -> None:
        self.reading.refuse("transition", detail)

    def _piece(self, shown: Shown, track_enabled: bool, kind: str, exploded: int) -> Piece:
        element, rate = shown.element, self._rate
        name = _text(element.find("name"), fold=False)
        self._check(element, CLIP, name=name)
        for each in element.findall("filter"):
            self._check_filter(each, name)
        self._check_length(shown, name)
        file = element.find("file")
        source = self._source_of(file, name)
        channel = _text(element.find("./sourcetrack/trackindex")) or str(exploded)
        begin, end = ms_at(shown.start, rate), ms_at(shown.end, rate)
        entered = ms_at(shown.start + shown.fade + shown.fade_in, rate) - begin
        left = end - ms_at(shown.end - shown.fade_out, rate)
        return Piece(
            begin_ms=begin,
            end_ms=end,
            in_ms=ms_at(_number(element, "in"), _rate(element, rate)),
            source=source,
            cross_fade_ms=entered if shown.fade else 0,
            fade_in_ms=entered if shown.fade_in else 0,
            fade_out_ms=left,
            enabled=track_enabled and _flag(element, "enabled"),
            frame_ms=1000 / rate,
            channel=int(channel) if kind == "audio" else 0,
        )

    def _check_length(self, shown: Shown, name: str) -> None:
        """A clip that is longer or shorter than its source would play at another speed."""
        rate = _rate(shown.element, self._rate)
        played = (shown.end - shown.start) / self._rate
        declared = (_number(shown.element, "out") - _number(shown.element, "in")) / rate
        slack = 0.001 if rate == self._rate else 1 / min(rate, self._rate)
        if abs(played - declared) > slack:
            detail = "Its times in the source and on the timeline are not equally long."
            self.reading.refuse("speed", detail, name=name)

    def _check_filter(self, element: Element, name: str) -> None:
        if not _flag(element, "enabled"):
            return
        kind = _text(element.find("./effect/effectid"))
        known = PARAMETERS.get(kind)
        parameters = element.findall("./effect/parameter")
        if known is None or not all(_does_nothing(each, known, kind) for each in parameters):
            what = "speed" if kind == "timeremap" else "effect"
            title = _text(element.find("./effect/name"), fold=False) or kind
            self.reading.refuse(what, f"The filter {title} is not held.", name=name)

    def _source_of(self, file: Element | None, name: str) -> MediaReference:
        if file is None:
            return reference_at("", name)
        key = file.get("id", "")
        if not len(file) and key in self._files:
            file = self._files[key]
        return self._source(file, name)

    def _read_source(self, file: Element, name: str) -> MediaReference:
        if file.find("mediaSource") is not None:
            self.reading.refuse("generator", "A clip plays a media file.", name=name)
        url = _text(file.find("pathurl"), fold=False)
        return reference_at(url, _text(file.find("name"), fold=False), name)


def _shown(element: Element, before: Beside | None, after: Beside | None) -> Shown:
    """A clip between its transitions, whose times it may leave to them."""
    start, end = _number(element, "start"), _number(element, "end")
    if start == -1 and before is not None:
        start = before.start
    if end == -1 and after is not None:
        end = after.end
    if not 0 <= start < end:
        raise ValueError("A clip ends before it begins, or has no time.")
    return Shown(element, start, end, before, after)


def _apart(head: Shown | None, start: int, black: bool) -> bool:
    """Whether what begins here comes from nothing, though a clip may end where it does."""
    return head is None or head.end < start or (black and head.end == start)


def _apart_after(tail: Shown | None, end: int, black: bool) -> bool:
    return tail is None or tail.start > end or (black and tail.start == end)


def _does_nothing(
    parameter: Element, known: Mapping[str, tuple[str, ...] | None], kind: str
) -> bool:
    key = _text(parameter.find("parameterid"))
    if kind == "timeremap" and key == "graphdict":
        return True  # the curve of a variable speed, which `variablespeed` tells
    if key not in known or parameter.find("keyframe") is not None:
        return False
    allowed = known[key]
    value = parameter.find("value")
    values = [*value] if value is not None and len(value) else [value]
    return allowed is None or all(_plain(_text(each)) in allowed for each in values)


def _plain(text: str) -> str:
    """A number in its shortest form."""
    try:
        return f"{float(text):g}".replace("-0", "0") if float(text) == 0 else f"{float(text):g}"
    except ValueError:
        return text


def _text(element: Element | None, *, fold: bool = True) -> str:
    found = (element.text or "").strip() if element is not None else ""
    return found.lower() if fold else found


def _flag(element: Element, tag: str) -> bool:
    """Whether it is on, as it is where nothing is said."""
    return _text(element.find(tag)) not in ("false", "0")


def _number(element: Element, tag: str) -> int:
    text = _text(element.find(tag))
    whole, _, fraction = text.partition(".")  # Hiero and Nuke Studio write 1055.0
    if fraction.strip("0"):
        raise ValueError(f"`{tag}` of a {element.tag} is {text}, which is no whole frame.")
    try:
        return int(whole)
    except ValueError as exc:
        raise ValueError(f"`{tag}` of a {element.tag} is {text!r}, which is no number.") from exc


def _rate(element: Element, inherited: float | None) -> float:
    timebase = element.find("./rate/timebase")
    if timebase is None:
        if inherited is None:
            raise ValueError("The sequence has no rate.")
        return inherited
    found = float(_text(timebase))
    ntsc = _text(element.find("./rate/ntsc")) in ("true", "1")
    return exact_rate(found * 1000 / 1001) if ntsc else found
