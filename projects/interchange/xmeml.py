"""Read a sequence of FCP XML (xmeml): each element is read or refused (docs/interchange.md).

Unknown elements are refused: the tables below list the elements that are read, and those that
change nothing in the film.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from xml.etree.ElementTree import Element, fromstring

from projects.bounds import MAX_CROSS_FADE_MS
from projects.interchange.terms import ForeignTrack, MediaReference, Piece, Reading, build_reference
from projects.interchange.times import frame_to_ms, get_exact_rate

Rules = Mapping[str, tuple[str, tuple[str, ...]] | None]
"""The children that an element may have.

None accepts a child; else the code by which it is refused, unless its text is one of the values.
"""


def _accept(tags: str) -> dict[str, None]:
    return dict.fromkeys(tags.split())


FALSE = ("false", "0", "")
ZERO = ("0", "0.0", "")
NOTES = _accept("""
    name uuid labels label comments logginginfo marker metadata masterclipid ismasterclip
    itemhistory bookmark
""")
SEQUENCE: Rules = NOTES | _accept("duration rate timecode in out media updatebehavior")
MEDIA: Rules = _accept("video audio")
VIDEO: Rules = _accept("format track")
AUDIO: Rules = _accept("format track in out channelcount numOutputChannels outputs")
TRACK: Rules = {
    **_accept("name enabled locked outputchannelindex clipitem transitionitem"),
    "generatoritem": ("generator", ()),
}
CLIP: Rules = {
    **NOTES,
    **_accept("""
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
TRANSITION: Rules = _accept("rate start end alignment cutPointTicks effect name")
DISSOLVE: Rules = {
    **_accept("""
        name effectid effectcategory effecttype mediatype wipecode wipeaccuracy duration
    """),
    "startratio": ("transition", ZERO),
    "endratio": ("transition", ("1", "1.0")),
    "reverse": ("transition", FALSE),
}
DISSOLVES = ("cross dissolve", "cross fade (+3db)", "kgaudiotranscrossfade3db")
"""Transitions like our cross-fade: pictures linearly, sound at equal power."""
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
"""Filters, and the values of their parameters at which they change nothing."""


@dataclass(frozen=True)
class PlacedTransition:
    """A transition and its position, in frames of the sequence."""

    element: Element
    start: int
    end: int


@dataclass
class PlacedClip:
    """A clip on a track with its cross-fades in full, in frames of the sequence."""

    element: Element
    start: int
    end: int
    before: PlacedTransition | None
    after: PlacedTransition | None
    fade: int = 0
    fade_in: int = 0
    fade_out: int = 0


def read(text: str, _: float) -> Reading:
    """Return the tracks of the one sequence; raise ``ValueError`` for several or none."""
    root = fromstring(text)  # noqa: S314 (`guarding.check_xml` has refused entities)
    sequences = [
        sequence for sequence in _iterate_sequences(root) if sequence.find("media") is not None
    ]
    if len(sequences) != 1:
        raise ValueError("The file must contain exactly one sequence.")
    return _SequenceReader(root, sequences[0]).reading


def _iterate_sequences(element: Element) -> Iterator[Element]:
    """Yield the sequences that are not nested in a clip."""
    for child in element:
        if child.tag == "sequence":
            yield child
        elif child.tag != "clipitem":
            yield from _iterate_sequences(child)


class _SequenceReader:
    """A reader of one sequence, in which any of the clips of a file may describe it."""

    def __init__(self, root: Element, sequence: Element) -> None:
        self.reading = Reading()
        self._files: dict[str, Element] = {}
        for file in root.iter("file"):
            if len(file) and file.get("id"):
                self._files.setdefault(file.get("id", ""), file)
        self._source = cache(self._read_source)
        self._rate = _read_rate(sequence, None)
        self._check_children(sequence, SEQUENCE)
        media = sequence.find("media")
        for child in media if media is not None else ():
            self._check_children(child, VIDEO if child.tag == "video" else AUDIO)
            for track in child.findall("track"):
                self._read_track(track, child.tag)
        if media is not None:
            self._check_children(media, MEDIA)
        self._check_outputs(sequence)

    def _check_children(self, element: Element, rules: Rules, **explicit_location: str) -> None:
        """Refuse unknown children, and values that change something."""
        for child in element:
            rule = rules.get(child.tag, ("element", ()))
            if rule is None or _read_text(child) in rule[1]:
                continue
            code = rule[0] if isinstance(child.tag, str) else "element"
            location = explicit_location or {"name": _read_text(element.find("name"), fold=False)}
            detail = f"`{child.tag}` in `{element.tag}` is not supported."
            self.reading.refuse(code, detail, **location)

    def _check_outputs(self, sequence: Element) -> None:
        for downmix in sequence.iterfind("./media/audio/outputs/group/downmix"):
            if _read_text(downmix) not in ZERO:
                self.reading.refuse(
                    "level", "Output channels with another level are not supported."
                )

    def _read_track(self, track: Element, kind: str) -> None:
        self._check_children(track, TRACK)
        enabled = _read_flag(track, "enabled")
        name = _read_text(track.find("name"), fold=False)
        exploded_index = int(track.get("currentExplodedTrackIndex", "0")) + 1
        clips = self._read_clips(track)
        pieces = [self._build_piece(clip, enabled, kind, exploded_index) for clip in clips]
        self.reading.tracks.append(ForeignTrack(kind, name, pieces))

    def _read_clips(self, track: Element) -> list[PlacedClip]:
        """Return the clips of a track with their transitions."""
        items = [element for element in track if element.tag in ("clipitem", "transitionitem")]
        transitions = [self._find_transition(element) for element in items]
        clips: list[PlacedClip | None] = []
        for index, element in enumerate(items):
            before = transitions[index - 1] if index else None
            after = transitions[index + 1] if index + 1 < len(items) else None
            is_clip = element.tag == "clipitem"
            clips.append(_build_clip(element, before, after) if is_clip else None)
        for index, transition in enumerate(transitions):
            if transition is not None:
                head = clips[index - 1] if index else None
                tail = clips[index + 1] if index + 1 < len(clips) else None
                self._assign_transition(transition, head, tail)
        return [clip for clip in clips if clip is not None]

    def _find_transition(self, element: Element) -> PlacedTransition | None:
        if element.tag != "transitionitem":
            return None
        return PlacedTransition(
            element, _read_number(element, "start"), _read_number(element, "end")
        )

    def _assign_transition(
        self, transition: PlacedTransition, head: PlacedClip | None, tail: PlacedClip | None
    ) -> None:
        """Assign a transition to the two clips that it joins, or to the one clip that it fades."""
        self._check_transition(transition.element)
        start, end = transition.start, transition.end
        length = end - start
        alignment = _read_text(transition.element.find("alignment"))
        leaves = head is not None and head.end == end and length <= head.end - head.start
        enters = tail is not None and tail.start == start and length <= tail.end - tail.start
        seconds = length / self._rate
        if length < 1 or seconds * 1000 > MAX_CROSS_FADE_MS:
            self._refuse_transition("Its duration is too long, or zero.")
        elif head is not None and tail is not None and leaves and enters:
            tail.fade = length
            if _read_flag(head.element, "enabled") != _read_flag(tail.element, "enabled"):
                self._refuse_transition("One of the clips that it joins is disabled.")
        elif (
            tail is not None
            and enters
            and _fades_in_from_nothing(head, start, alignment == "start-black")
        ):
            tail.fade_in = length
        elif (
            head is not None
            and leaves
            and _fades_out_to_nothing(tail, end, alignment == "end-black")
        ):
            head.fade_out = length
        else:
            self._refuse_transition("The clips that it joins do not overlap for its duration.")

    def _check_transition(self, element: Element) -> None:
        self._check_children(element, TRANSITION, name="")
        effect = element.find("effect")
        if effect is None:
            self._refuse_transition("It has no effect.")
            return
        kind = _read_text(effect.find("effectid")) or _read_text(effect.find("name"))
        if kind in DISSOLVES:
            self._check_children(effect, DISSOLVE)
        else:
            name = _read_text(effect.find("name"), fold=False) or kind
            self.reading.refuse(
                "transition", "It is not a cross-fade. Only cross-fades can be imported.", name=name
            )

    def _refuse_transition(self, detail: str) -> None:
        self.reading.refuse("transition", detail)

    def _build_piece(
        self, clip: PlacedClip, track_enabled: bool, kind: str, exploded_index: int
    ) -> Piece:
        element, rate = clip.element, self._rate
        name = _read_text(element.find("name"), fold=False)
        self._check_children(element, CLIP, name=name)
        for filter_element in element.findall("filter"):
            self._check_filter(filter_element, name)
        self._check_length(clip, name)
        file = element.find("file")
        source = self._get_source(file, name)
        channel = _read_text(element.find("./sourcetrack/trackindex")) or str(exploded_index)
        begin, end = frame_to_ms(clip.start, rate), frame_to_ms(clip.end, rate)
        fade_in_length_ms = frame_to_ms(clip.start + clip.fade + clip.fade_in, rate) - begin
        fade_out_ms = end - frame_to_ms(clip.end - clip.fade_out, rate)
        return Piece(
            begin_ms=begin,
            end_ms=end,
            in_ms=frame_to_ms(_read_number(element, "in"), _read_rate(element, rate)),
            source=source,
            cross_fade_ms=fade_in_length_ms if clip.fade else 0,
            fade_in_ms=fade_in_length_ms if clip.fade_in else 0,
            fade_out_ms=fade_out_ms,
            enabled=track_enabled and _read_flag(element, "enabled"),
            frame_ms=1000 / rate,
            channel=int(channel) if kind == "audio" else 0,
        )

    def _check_length(self, clip: PlacedClip, name: str) -> None:
        """Refuse a clip of another length than its source: it would play at another speed."""
        rate = _read_rate(clip.element, self._rate)
        timeline_seconds = (clip.end - clip.start) / self._rate
        source_seconds = (
            _read_number(clip.element, "out") - _read_number(clip.element, "in")
        ) / rate
        slack = 0.001 if rate == self._rate else 1 / min(rate, self._rate)
        if abs(timeline_seconds - source_seconds) > slack:
            detail = "Its durations in the source and on the timeline differ."
            self.reading.refuse("speed", detail, name=name)

    def _check_filter(self, element: Element, name: str) -> None:
        if not _read_flag(element, "enabled"):
            return
        kind = _read_text(element.find("./effect/effectid"))
        neutral_values = PARAMETERS.get(kind)
        parameters = element.findall("./effect/parameter")
        if neutral_values is None or not all(
            _does_nothing(parameter, neutral_values, kind) for parameter in parameters
        ):
            code = "speed" if kind == "timeremap" else "effect"
            title = _read_text(element.find("./effect/name"), fold=False) or kind
            self.reading.refuse(code, f"The filter {title} is not supported.", name=name)

    def _get_source(self, file: Element | None, name: str) -> MediaReference:
        if file is None:
            return build_reference("", name)
        key = file.get("id", "")
        if not len(file) and key in self._files:
            file = self._files[key]
        return self._source(file, name)

    def _read_source(self, file: Element, name: str) -> MediaReference:
        if file.find("mediaSource") is not None:
            self.reading.refuse("generator", "A clip must play a media file.", name=name)
        url = _read_text(file.find("pathurl"), fold=False)
        return build_reference(url, _read_text(file.find("name"), fold=False), name)


def _build_clip(
    element: Element, before: PlacedTransition | None, after: PlacedTransition | None
) -> PlacedClip:
    """Return a clip; a time that it does not state is that of its transition."""
    start, end = _read_number(element, "start"), _read_number(element, "end")
    if start == -1 and before is not None:
        start = before.start
    if end == -1 and after is not None:
        end = after.end
    if not 0 <= start < end:
        raise ValueError("A clip ends before it begins, or has no time.")
    return PlacedClip(element, start, end, before, after)


def _fades_in_from_nothing(head: PlacedClip | None, start: int, is_black: bool) -> bool:
    """Return True if no clip comes before a transition at ``start``, or black follows it there."""
    return head is None or head.end < start or (is_black and head.end == start)


def _fades_out_to_nothing(tail: PlacedClip | None, end: int, is_black: bool) -> bool:
    return tail is None or tail.start > end or (is_black and tail.start == end)


def _does_nothing(
    parameter: Element, neutral_values: Mapping[str, tuple[str, ...] | None], kind: str
) -> bool:
    key = _read_text(parameter.find("parameterid"))
    if kind == "timeremap" and key == "graphdict":
        return True  # The curve of a variable speed, which `variablespeed` switches on.
    if key not in neutral_values or parameter.find("keyframe") is not None:
        return False
    allowed_values = neutral_values[key]
    value = parameter.find("value")
    values = [*value] if value is not None and len(value) else [value]
    return allowed_values is None or all(
        _shorten_number(_read_text(element)) in allowed_values for element in values
    )


def _shorten_number(text: str) -> str:
    """Return a number in its shortest form, and other text unchanged."""
    try:
        return f"{float(text):g}".replace("-0", "0") if float(text) == 0 else f"{float(text):g}"
    except ValueError:
        return text


def _read_text(element: Element | None, *, fold: bool = True) -> str:
    text = (element.text or "").strip() if element is not None else ""
    return text.lower() if fold else text


def _read_flag(element: Element, tag: str) -> bool:
    """Return True if the flag is on or absent."""
    return _read_text(element.find(tag)) not in ("false", "0")


def _read_number(element: Element, tag: str) -> int:
    text = _read_text(element.find(tag))
    integer, _, fraction = text.partition(".")  # Hiero and Nuke Studio write 1055.0.
    if fraction.strip("0"):
        raise ValueError(f"`{tag}` of a {element.tag} is {text}, which is not a whole frame.")
    try:
        return int(integer)
    except ValueError as exc:
        raise ValueError(f"`{tag}` of a {element.tag} is {text!r}, which is not a number.") from exc


def _read_rate(element: Element, default: float | None) -> float:
    timebase = element.find("./rate/timebase")
    if timebase is None:
        if default is None:
            raise ValueError("The sequence has no rate.")
        return default
    rate = float(_read_text(timebase))
    ntsc = _read_text(element.find("./rate/ntsc")) in ("true", "1")
    return get_exact_rate(rate * 1000 / 1001) if ntsc else rate
