"""Properties of media in container headers that FFmpeg's libraries do not pass on to PyAV.

These are protection, cropping and empty edits. Only headers are read, within bounds. Damaged or
hostile headers count as empty.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer

MAX_CHILDREN = 1000
"""Limit of the children of one box or element that are read."""
MAX_TRACKS = 64
SAMPLE_HEADER_BYTES = 78
"""Length of a sample entry for pictures before its boxes (ISO/IEC 14496-12, 12.1.3)."""
PROTECTED_ENTRIES = frozenset({b"encv", b"enca", b"encm", b"encs", b"drmi", b"drms"})
"""Kinds of sample entries: Common Encryption (ISO/IEC 23001-7), and FairPlay."""
EMPTY = -1
"""The media time of an edit that plays nothing."""

ASF_START = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROTECTIONS = (
    bytes.fromhex("fbb31122 23bdd211b4b700a0c955fc6e".replace(" ", "")),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
"""Content Encryption Object and its extended form (ASF specification, 10.1)."""
ASF_HEADER_BYTES = 64 * 1024

EBML, SEGMENT, TRACKS, TRACK = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE
TRACK_TYPE, VIDEO, ENCODINGS, ENCODING, ENCRYPTION = 0x83, 0xE0, 0x6D80, 0x6240, 0x5035
CROPS = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
"""PixelCropLeft and so on (RFC 9559, 5.1.4.1.28)."""
MATROSKA_VIDEO = 1


@dataclass(frozen=True)
class Crop:
    """The stored pixels at each side of a picture that are not shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass(frozen=True)
class Headers:
    """The properties of a whole file."""

    is_protected: bool = False
    """A stream is encrypted."""
    begins_empty: bool = False
    """All pictures and sound begin later than the file's timeline: it begins with an empty edit."""
    seconds: Fraction | None = None
    """Duration of an MP4's timeline, with the empty edit; None if unknown."""
    crops: list[Crop] = field(default_factory=list)
    """The crops of its streams of pictures, in their order."""


def get_headers(container: InputContainer) -> Headers:
    """Return the headers of an open file; its position does not change."""
    if container.file is not None:
        file = container.file.file
        position = file.tell()
        try:
            return read_headers(file)
        finally:
            file.seek(position)
    if container.name.startswith("file:"):
        with Path(container.name.removeprefix("file:")).open("rb") as file:
            return read_headers(file)
    return Headers()


def read_headers(file: BinaryIO) -> Headers:
    """Read the headers of an MP4, QuickTime, Matroska, WebM or ASF file."""
    file.seek(0)
    start = file.read(16)
    try:
        if start.startswith(EBML.to_bytes(4, "big")):
            return _read_matroska(file)
        if start == ASF_START:
            header = file.read(ASF_HEADER_BYTES)
            return Headers(is_protected=any(guid in header for guid in ASF_PROTECTIONS))
        return _read_mp4(file)
    except struct.error:
        return Headers()


# --- MP4 and QuickTime --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Box:
    kind: bytes
    begin: int
    """Start of the content."""
    end: int


def _read_boxes(file: BinaryIO, begin: int, end: int) -> Iterator[_Box]:
    while begin + 8 <= end:
        file.seek(begin)
        header = file.read(16)
        if len(header) < 8:
            return
        size, kind = struct.unpack(">I4s", header[:8])
        content = begin + 8
        if size == 1:
            (size,) = struct.unpack(">Q", header[8:16])
            content = begin + 16
        elif size == 0:  # to the end of the file
            size = end - begin
        if begin + size < content:
            return
        yield _Box(kind, content, min(begin + size, end))
        begin += size


def _list_boxes_at(file: BinaryIO, boxes: list[_Box], path: str) -> list[_Box]:
    """Return the boxes at a path below the given ones, for example ``trak/mdia``."""
    for kind in path.encode().split(b"/"):
        boxes = [
            child
            for box in boxes
            for child in islice(_read_boxes(file, box.begin, box.end), MAX_CHILDREN)
            if child.kind == kind
        ][:MAX_CHILDREN]
    return boxes


def _read_content(file: BinaryIO, box: _Box, length: int) -> bytes:
    file.seek(box.begin)
    return file.read(min(length, box.end - box.begin))


def _read_mp4(file: BinaryIO) -> Headers:
    movies = _list_boxes_at(file, [_Box(b"", 0, file.seek(0, 2))], "moov")[:1]
    tracks = _list_boxes_at(file, movies, "trak")[:MAX_TRACKS]
    is_protected, crops, starts_empty = False, [], []
    for track in tracks:
        handlers = _list_boxes_at(file, [track], "mdia/hdlr")
        kind = _read_content(file, handlers[0], 12)[8:12] if handlers else b""
        if kind not in (b"vide", b"soun"):
            continue
        entries = [
            entry
            for table in _list_boxes_at(file, [track], "mdia/minf/stbl/stsd")
            for entry in islice(_read_boxes(file, table.begin + 8, table.end), MAX_CHILDREN)
        ]
        is_protected = is_protected or any(entry.kind in PROTECTED_ENTRIES for entry in entries)
        if kind == b"vide":
            entries = [_Box(b"", entry.begin + SAMPLE_HEADER_BYTES, entry.end) for entry in entries]
            is_protected = is_protected or bool(_list_boxes_at(file, entries[:1], "sinf"))
            crops.append(_read_aperture(file, track, entries))
        edit_lists = _list_boxes_at(file, [track], "edts/elst")
        starts_empty.append(any(_begins_empty(file, edit_list) for edit_list in edit_lists))
    seconds = [_read_duration(file, header) for header in _list_boxes_at(file, movies, "mvhd")[:1]]
    return Headers(
        is_protected,
        bool(starts_empty) and all(starts_empty),
        seconds[0] if seconds else None,
        crops,
    )


def _read_duration(file: BinaryIO, header: _Box) -> Fraction | None:
    content = _read_content(file, header, 32)
    layout = ">20xIQ" if content[:1] == b"\x01" else ">12xII"
    scale, length = struct.unpack_from(layout, content)
    return Fraction(length, scale) if scale and length else None


def _begins_empty(file: BinaryIO, edits: _Box) -> bool:
    """Return whether the first of a track's edits plays nothing."""
    content = _read_content(file, edits, 28)
    layout = ">8xQq" if content[:1] == b"\x01" else ">8xIi"
    if int.from_bytes(content[4:8], "big") == 0:
        return False
    length, media_time = struct.unpack_from(layout, content)
    return bool(length > 0 and media_time == EMPTY)


def _read_aperture(file: BinaryIO, track: _Box, entries: list[_Box]) -> Crop:
    """Return the crop of a track's clean aperture (ISO/IEC 14496-12, 12.1.4)."""
    apertures = _list_boxes_at(file, entries[:1], "clap")
    if not apertures:
        return Crop()
    file.seek(entries[0].begin - SAMPLE_HEADER_BYTES + 24)
    width, height = struct.unpack(">HH", file.read(4))
    values = struct.unpack(">8i", _read_content(file, apertures[0], 32))
    if 0 in values[1::2]:
        return Crop()
    shown_width, shown_height, offset_x, offset_y = (
        numerator / denominator
        for numerator, denominator in zip(values[::2], values[1::2], strict=True)
    )
    left = round((width - shown_width) / 2 + offset_x)
    top = round((height - shown_height) / 2 + offset_y)
    crop = Crop(left, top, width - left - round(shown_width), height - top - round(shown_height))
    is_within = (
        min(crop.left, crop.top, crop.right, crop.bottom) >= 0
        and min(shown_width, shown_height) >= 1
    )
    return crop if is_within else Crop()


# --- Matroska and WebM --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Element:
    id: int
    begin: int
    """Start of the content."""
    end: int


def _read_elements(file: BinaryIO, begin: int, end: int) -> Iterator[_Element]:
    while begin < end:
        file.seek(begin)
        header = file.read(12)
        if not header or not header[0]:
            return
        id_length = 9 - header[0].bit_length()
        size_field = header[id_length:]
        if not size_field or not size_field[0]:
            return
        size_length = 9 - size_field[0].bit_length()
        mask = (1 << 7 * size_length) - 1
        size = int.from_bytes(size_field[:size_length], "big") & mask
        content = begin + id_length + size_length
        # All ones mean an unknown size, as in live recordings.
        element_end = end if size == mask else min(content + size, end)
        yield _Element(int.from_bytes(header[:id_length], "big"), content, element_end)
        begin = element_end


def _list_elements(file: BinaryIO, parents: list[_Element], element_id: int) -> list[_Element]:
    return [
        child
        for parent in parents
        for child in islice(_read_elements(file, parent.begin, parent.end), MAX_CHILDREN)
        if child.id == element_id
    ][:MAX_CHILDREN]


def _read_number(file: BinaryIO, element: _Element) -> int:
    file.seek(element.begin)
    return int.from_bytes(file.read(min(8, element.end - element.begin)), "big")


def _read_matroska(file: BinaryIO) -> Headers:
    size = file.seek(0, 2)
    segments = _list_elements(file, [_Element(0, 0, size)], SEGMENT)
    tracks = _list_elements(file, _list_elements(file, segments, TRACKS)[:1], TRACK)[:MAX_TRACKS]
    encodings = _list_elements(file, _list_elements(file, tracks, ENCODINGS), ENCODING)
    crops = []
    for track in tracks:
        kinds = _list_elements(file, [track], TRACK_TYPE)
        if kinds and _read_number(file, kinds[0]) == MATROSKA_VIDEO:
            elements = [
                child
                for picture in _list_elements(file, [track], VIDEO)
                for child in islice(_read_elements(file, picture.begin, picture.end), MAX_CHILDREN)
            ]
            sides = {
                CROPS[element.id]: _read_number(file, element)
                for element in elements
                if element.id in CROPS
            }
            crops.append(Crop(**sides))
    return Headers(bool(_list_elements(file, encodings, ENCRYPTION)), crops=crops)
