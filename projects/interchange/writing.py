"""Write a timeline as FCP XML (xmeml 4) and as CMX 3600, in frames of the project's rate.

Clips are written with their cross-fades in full; `projects.interchange.limits` has checked that the
format holds them.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Comment, Element, SubElement, indent, tostring

from opentimelineio.schema import ExternalReference

from media.models import MediaType
from projects.interchange.building import Film, FrameClip, list_frame_clips, replace_unprintable
from projects.interchange.limits import list_playing_tracks
from projects.interchange.times import Timecode, to_frame
from projects.timeline.content import Track, duration_of

REEL_LENGTH = 8


def write_fcp_xml(film: Film) -> str:
    """Return the timeline as FCP XML: the video tracks, then the audio tracks."""
    root = Element("xmeml", version="4")
    if film.left_out:
        root.append(Comment(f" left out: {', '.join(film.left_out)} "))
    project = SubElement(root, "project")
    _add_values(project, name=replace_unprintable(film.name))
    sequence = SubElement(SubElement(project, "children"), "sequence", id="sequence-1")
    _add_values(
        sequence,
        name=replace_unprintable(film.name),
        duration=to_frame(duration_of(film.tracks), film.rate),
    )
    _add_rate(sequence, film)
    _add_timecode(sequence, film, film.timecode, 0)
    media = SubElement(sequence, "media")
    writer = _TrackWriter(film)
    for kind in ("video", "audio"):
        kind_element = SubElement(media, kind)
        if kind == "video":
            SubElement(kind_element, "format")  # DaVinci Resolve expects this element.
        for track in film.tracks:
            if track["type"] == kind:
                kind_element.append(writer.track(track))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True)


class _TrackWriter:
    """A writer of tracks, which describes each file with the first clip that plays it."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._files = film.files
        self._durations = film.durations
        self._file_names: dict[str, str] = {}
        self._count = 0

    def track(self, track: Track) -> Element:
        element = Element("track")
        _add_values(element, name=replace_unprintable(track["name"]))
        for placed in list_frame_clips(track["clips"], self._film.rate):
            if placed.fade:
                element.append(self._build_transition(placed, track["type"]))
            element.append(self._build_clip_item(placed))
        _add_values(element, enabled="TRUE", locked="FALSE")
        return element

    def _build_transition(self, placed: FrameClip, kind: str) -> Element:
        element = Element("transitionitem")
        _add_rate(element, self._film)
        _add_values(element, start=placed.start, end=placed.start + placed.fade, alignment="center")
        name, effect = "Cross Dissolve", "Cross Dissolve"
        if kind == "audio":
            name, effect = "Cross Fade (+3dB)", "KGAudioTransCrossFade3dB"
        attributes = {"effectid": effect, "effecttype": "transition", "mediatype": kind}
        _add_values(SubElement(element, "effect"), name=name, **attributes)
        return element

    def _build_clip_item(self, placed: FrameClip) -> Element:
        self._count += 1
        key = placed.clip["media_file_id"]
        element = Element("clipitem", id=f"clipitem-{self._count}", frameBlend="FALSE")
        in_frame = placed.in_frame(self._film.rate, self._durations.get(key))
        length = placed.finish - placed.start
        _add_values(element, name=self._files[key].name, enabled="TRUE", duration=length)
        _add_rate(element, self._film)
        _add_values(
            element,
            start=-1 if placed.fade else placed.start,
            end=-1 if placed.tail else placed.finish,
        )
        _add_values(element, **{"in": in_frame, "out": in_frame + length})
        element.append(self._build_file(key))
        return element

    def _build_file(self, key: str) -> Element:
        known_name = self._file_names.get(key)
        name = self._file_names.setdefault(key, f"file-{len(self._file_names) + 1}")
        element = Element("file", id=name)
        if known_name is None:
            reference = self._files[key]
            _add_values(element, name=reference.name, pathurl=reference.target_url)
            _add_rate(element, self._film)
            _add_values(element, duration=round(reference.available_range.duration.value))
            start = round(reference.available_range.start_time.value)
            _add_timecode(element, self._film, self._film.source_timecode(key), start)
            kind = self._film.media[key].type if key in self._film.media else None
            streams = SubElement(element, "media")
            if kind != MediaType.AUDIO:
                SubElement(streams, "video")
            if kind != MediaType.IMAGE:
                SubElement(streams, "audio")
        return element


def _add_values(parent: Element, **values: Any) -> None:
    for tag, value in values.items():
        SubElement(parent, tag).text = str(value)


def _add_rate(parent: Element, film: Film) -> None:
    timebase = round(film.rate)
    ntsc = "FALSE" if film.rate == timebase else "TRUE"
    _add_values(SubElement(parent, "rate"), timebase=timebase, ntsc=ntsc)


def _add_timecode(parent: Element, film: Film, clock: Timecode, start: int) -> None:
    element = SubElement(parent, "timecode")
    _add_rate(element, film)
    display = "DF" if clock.drop else "NDF"
    _add_values(element, string=clock.text(start), frame=start, displayformat=display)


def write_cmx3600(film: Film) -> str:
    """Return the one video track as CMX 3600; an event ends where the next dissolve begins."""
    lines = [f"TITLE: {replace_unprintable(film.name)}"]
    lines.append(f"FCM: {'DROP FRAME' if film.timecode.drop else 'NON-DROP FRAME'}")
    lines += [f"* LEFT OUT: {', '.join(film.left_out)}"] if film.left_out else []
    files = film.files
    (track,) = list_playing_tracks(film.tracks)
    previous: FrameClip | None = None
    for index, placed in enumerate(list_frame_clips(track["clips"], film.rate)):
        number = f"{index + 1:03}"
        kind = "C"
        if placed.fade and previous is not None:
            kind = f"D {placed.fade:03}"
            frame_range = (placed.start, placed.start)
            lines.append(_format_event(number, previous, "C", frame_range, film, files))
            lines += _format_notes("FROM", previous, film, files)
        frame_range = (placed.start, placed.finish - placed.tail)
        lines.append(_format_event(number, placed, kind, frame_range, film, files))
        lines += _format_notes("TO" if placed.fade else "FROM", placed, film, files)
        previous = placed
    return "\n".join(lines) + "\n"


def _format_event(
    number: str,
    placed: FrameClip,
    kind: str,
    frame_range: tuple[int, int],
    film: Film,
    files: Mapping[str, ExternalReference],
) -> str:
    """Return a line of an event; a reel has eight letters or digits.

    The times of the source count from the file's timecode.
    """
    key = placed.clip["media_file_id"]
    duration_ms = film.media[key].duration_ms if key in film.media else None
    start = round(files[key].available_range.start_time.value)
    offset = start + placed.in_frame(film.rate, duration_ms) - placed.start
    clock = film.source_timecode(key)
    timecodes = [clock.text(offset + frame) for frame in frame_range]
    timecodes += map(film.timecode.text, frame_range)
    return f"{number}  {key[:REEL_LENGTH].upper():8} V     {kind:8} {' '.join(timecodes)}"


def _format_notes(
    side: str, placed: FrameClip, film: Film, files: Mapping[str, ExternalReference]
) -> list[str]:
    """Return the file's name, its address and the source timecode at which it starts."""
    key = placed.clip["media_file_id"]
    reference = files[key]
    names = [f"* {side} CLIP NAME:  {reference.name}"] if reference.name.strip() else []
    start = film.source_timecode(key).text(round(reference.available_range.start_time.value))
    return [*names, f"* {side} CLIP: {reference.target_url}", f"* {side} CLIP START: {start}"]
