"""A timeline written as FCP XML (xmeml 4) and as CMX 3600, in frames of the project's rate.

What plays is written as long as it plays, cross-fades and all; `projects.interchange.limits` has
looked that the format holds it.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Comment, Element, SubElement, indent, tostring

from opentimelineio.schema import ExternalReference

from media.models import MediaType
from projects.interchange.building import Film, Placed, placed_clips, printable
from projects.interchange.limits import playing
from projects.interchange.times import Timecode, frame_of
from projects.timeline.content import Track, duration_of

REEL_LENGTH = 8


def fcp_xml(film: Film) -> str:
    """The tracks of video, then those of audio."""
    root = Element("xmeml", version="4")
    if film.left_out:
        root.append(Comment(f" left out: {', '.join(film.left_out)} "))
    project = SubElement(root, "project")
    _put(project, name=printable(film.name))
    sequence = SubElement(SubElement(project, "children"), "sequence", id="sequence-1")
    _put(sequence, name=printable(film.name), duration=_length(film))
    _rate(sequence, film)
    _timecode(sequence, film, film.timecode, 0)
    media = SubElement(sequence, "media")
    writer = _Clips(film)
    for kind in ("video", "audio"):
        of_kind = SubElement(media, kind)
        if kind == "video":
            SubElement(of_kind, "format")  # DaVinci Resolve expects one
        for track in film.tracks:
            if track["type"] == kind:
                of_kind.append(writer.track(track))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True)


class _Clips:
    """Writes tracks; a file is described with the first clip that plays it."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._files = film.files
        self._durations = film.durations
        self._told: dict[str, str] = {}
        self._count = 0

    def track(self, track: Track) -> Element:
        element = Element("track")
        _put(element, name=printable(track["name"]))
        for placed in placed_clips(track["clips"], self._film.rate):
            if placed.fade:
                element.append(self._transition(placed, track["type"]))
            element.append(self._clip(placed))
        _put(element, enabled="TRUE", locked="FALSE")
        return element

    def _transition(self, placed: Placed, kind: str) -> Element:
        element = Element("transitionitem")
        _rate(element, self._film)
        _put(element, start=placed.start, end=placed.start + placed.fade, alignment="center")
        name, effect = "Cross Dissolve", "Cross Dissolve"
        if kind == "audio":
            name, effect = "Cross Fade (+3dB)", "KGAudioTransCrossFade3dB"
        described = {"effectid": effect, "effecttype": "transition", "mediatype": kind}
        _put(SubElement(element, "effect"), name=name, **described)
        return element

    def _clip(self, placed: Placed) -> Element:
        self._count += 1
        key = placed.clip["media_file_id"]
        element = Element("clipitem", id=f"clipitem-{self._count}", frameBlend="FALSE")
        inside = placed.in_frame(self._film.rate, self._durations.get(key))
        length = placed.finish - placed.start
        _put(element, name=self._files[key].name, enabled="TRUE", duration=length)
        _rate(element, self._film)
        _put(
            element,
            start=-1 if placed.fade else placed.start,
            end=-1 if placed.tail else placed.finish,
        )
        _put(element, **{"in": inside, "out": inside + length})
        element.append(self._file(key))
        return element

    def _file(self, key: str) -> Element:
        known = self._told.get(key)
        name = self._told.setdefault(key, f"file-{len(self._told) + 1}")
        element = Element("file", id=name)
        if known is None:
            reference = self._files[key]
            _put(element, name=reference.name, pathurl=reference.target_url)
            _rate(element, self._film)
            _put(element, duration=round(reference.available_range.duration.value))
            start = round(reference.available_range.start_time.value)
            _timecode(element, self._film, self._film.source_timecode(key), start)
            kind = self._film.media[key].type if key in self._film.media else None
            streams = SubElement(element, "media")
            if kind != MediaType.AUDIO:
                SubElement(streams, "video")
            if kind != MediaType.IMAGE:
                SubElement(streams, "audio")
        return element


def _put(parent: Element, **values: Any) -> None:
    for tag, value in values.items():
        SubElement(parent, tag).text = str(value)


def _rate(parent: Element, film: Film) -> None:
    timebase = round(film.rate)
    ntsc = "FALSE" if film.rate == timebase else "TRUE"
    _put(SubElement(parent, "rate"), timebase=timebase, ntsc=ntsc)


def _timecode(parent: Element, film: Film, clock: Timecode, start: int) -> None:
    element = SubElement(parent, "timecode")
    _rate(element, film)
    display = "DF" if clock.drop else "NDF"
    _put(element, string=clock.text(start), frame=start, displayformat=display)


def _length(film: Film) -> int:
    return frame_of(duration_of(film.tracks), film.rate)


def cmx3600(film: Film) -> str:
    """The one track of video; a clip's event ends where the next is dissolved to."""
    lines = [f"TITLE: {printable(film.name)}"]
    lines.append(f"FCM: {'DROP FRAME' if film.timecode.drop else 'NON-DROP FRAME'}")
    lines += [f"* LEFT OUT: {', '.join(film.left_out)}"] if film.left_out else []
    files = film.files
    (track,) = playing(film.tracks)
    before: Placed | None = None
    for index, placed in enumerate(placed_clips(track["clips"], film.rate)):
        number = f"{index + 1:03}"
        kind = "C"
        if placed.fade and before is not None:
            kind = f"D {placed.fade:03}"
            cut = (placed.start, placed.start)
            lines.append(_event(number, before, "C", cut, film, files))
            lines += _notes("FROM", before, film, files)
        shown = (placed.start, placed.finish - placed.tail)
        lines.append(_event(number, placed, kind, shown, film, files))
        lines += _notes("TO" if placed.fade else "FROM", placed, film, files)
        before = placed
    return "\n".join(lines) + "\n"


def _event(
    number: str,
    placed: Placed,
    kind: str,
    shown: tuple[int, int],
    film: Film,
    files: Mapping[str, ExternalReference],
) -> str:
    """Return a line of an event; a reel is eight letters or digits.

    The source's times count from the file's timecode.
    """
    key = placed.clip["media_file_id"]
    duration_ms = film.media[key].duration_ms if key in film.media else None
    start = round(files[key].available_range.start_time.value)
    offset = start + placed.in_frame(film.rate, duration_ms) - placed.start
    clock = film.source_timecode(key)
    timecodes = [clock.text(offset + frame) for frame in shown]
    timecodes += map(film.timecode.text, shown)
    return f"{number}  {key[:REEL_LENGTH].upper():8} V     {kind:8} {' '.join(timecodes)}"


def _notes(
    way: str, placed: Placed, film: Film, files: Mapping[str, ExternalReference]
) -> list[str]:
    """Return the file's name, its address and the source timecode at which it starts."""
    key = placed.clip["media_file_id"]
    reference = files[key]
    names = [f"* {way} CLIP NAME:  {reference.name}"] if reference.name.strip() else []
    start = film.source_timecode(key).text(round(reference.available_range.start_time.value))
    return [*names, f"* {way} CLIP: {reference.target_url}", f"* {way} CLIP START: {start}"]
