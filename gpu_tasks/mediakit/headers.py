"""What containers say of their streams and FFmpeg's libraries do not hand on to PyAV.

Protection, cropping and edits that begin with nothing. Everything is read from the headers alone,
within bounds: what is damaged or hostile there says nothing.
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
"""Of one box or element; further ones are not looked at."""
MAX_TRACKS = 64
SAMPLE_HEADER_BYTES = 78
"""Of a sample entry for pictures, before its boxes (ISO/IEC 14496-12, 12.1.3)."""
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
    """Pixels that are stored at each side of a picture and not shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass(frozen=True)
class Headers:
    """What is said of a whole file."""

    is_protected: bool = False
    """A stream of it is encrypted."""
    begins_empty: bool = False
    """All pictures and sound begin later than the file's timeline: it begins with an empty edit."""
    seconds: Fraction | None = None
    """How long an MP4's timeline is, with such an edit; None where that is not said."""
    crops: list[Crop] = field(default_factory=list)
    """Of its streams of pictures, in their order."""


def headers_of(container: InputContainer) -> Headers:
    """Return what the headers of an open file say; its position stays where it is."""
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
    """Return what the headers of an MP4, QuickTime, Matroska, WebM or ASF file say."""
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
    """Of its content."""
    end: int


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[_Box]:
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


def _children(file: BinaryIO, boxes: list[_Box], path: str) -> list[_Box]:
    """Return the boxes at a path below others, ``trak/mdia`` for example."""
    for kind in path.encode().split(b"/"):
        boxes = [
            child
            for box in boxes
            for child in islice(_boxes(file, box.begin, box.end), MAX_CHILDREN)
            if child.kind == kind
        ][:MAX_CHILDREN]
    return boxes


def _content(file: BinaryIO, box: _Box, length: int) -> bytes:
    file.seek(box.begin)
    return file.read(min(length, box.end - box.begin))


def _read_mp4(file: BinaryIO) -> Headers:
    movies = _children(file, [_Box(b"", 0, file.seek(0, 2))], "moov")[:1]
    tracks = _children(file, movies, "trak")[:MAX_TRACKS]
    is_protected, crops, empty = False, [], []
    for track in tracks:
        handlers = _children(file, [track], "mdia/hdlr")
        kind = _content(file, handlers[0], 12)[8:12] if handlers else b""
        if kind not in (b"vide", b"soun"):
            continue
        entries = [
            entry
            for table in _children(file, [track], "mdia/minf/stbl/stsd")
            for entry in islice(_boxes(file, table.begin + 8, table.end), MAX_CHILDREN)
        ]
        is_protected = is_protected or any(entry.kind in PROTECTED_ENTRIES for entry in entries)
        if kind == b"vide":
            entries = [_Box(b"", entry.begin + SAMPLE_HEADER_BYTES, entry.end) for entry in entries]
            is_protected = is_protected or bool(_children(file, entries[:1], "sinf"))
            crops.append(_read_aperture(file, track, entries))
        edit_lists = _children(file, [track], "edts/elst")
        empty.append(any(_is_empty(file, edit_list) for edit_list in edit_lists))
    seconds = [_read_length(file, header) for header in _children(file, movies, "mvhd")[:1]]
    return Headers(is_protected, bool(empty) and all(empty), seconds[0] if seconds else None, crops)


def _read_length(file: BinaryIO, header: _Box) -> Fraction | None:
    content = _content(file, header, 32)
    layout = ">20xIQ" if content[:1] == b"\x01" else ">12xII"
    scale, length = struct.unpack_from(layout, content)
    return Fraction(length, scale) if scale and length else None


def _is_empty(file: BinaryIO, edits: _Box) -> bool:
    """Return whether the first of a track's edits plays nothing."""
    content = _content(file, edits, 28)
    layout = ">8xQq" if content[:1] == b"\x01" else ">8xIi"
    if int.from_bytes(content[4:8], "big") == 0:
        return False
    length, media_time = struct.unpack_from(layout, content)
    return bool(length > 0 and media_time == EMPTY)


def _read_aperture(file: BinaryIO, track: _Box, entries: list[_Box]) -> Crop:
    """Return what the clean aperture of a track leaves out (ISO/IEC 14496-12, 12.1.4)."""
    apertures = _children(file, entries[:1], "clap")
    if not apertures:
        return Crop()
    file.seek(entries[0].begin - SAMPLE_HEADER_BYTES + 24)
    width, height = struct.unpack(">HH", file.read(4))
    values = struct.unpack(">8i", _content(file, apertures[0], 32))
    if 0 in values[1::2]:
        return Crop()
    wide, high, right, down = (
        numerator / denominator
        for numerator, denominator in zip(values[::2], values[1::2], strict=True)
    )
    left, top = round((width - wide) / 2 + right), round((height - high) / 2 + down)
    crop = Crop(left, top, width - left - round(wide), height - top - round(high))
    is_within = min(crop.left, crop.top, crop.right, crop.bottom) >= 0 and min(wide, high) >= 1
    return crop if is_within else Crop()


# --- Matroska and WebM --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Element:
    id: int
    begin: int
    """Of its content."""
    end: int


def _elements(file: BinaryIO, begin: int, end: int) -> Iterator[_Element]:
    while begin < end:
        file.seek(begin)
        header = file.read(12)
        if not header or not header[0]:
            return
        id_length = 9 - header[0].bit_length()
        rest = header[id_length:]
        if not rest or not rest[0]:
            return
        size_length = 9 - rest[0].bit_length()
        mask = (1 << 7 * size_length) - 1
        size = int.from_bytes(rest[:size_length], "big") & mask
        content = begin + id_length + size_length
        # All ones: the size is not known, as in what is recorded live.
        last = end if size == mask else min(content + size, end)
        yield _Element(int.from_bytes(header[:id_length], "big"), content, last)
        begin = last


def _find(file: BinaryIO, parents: list[_Element], element_id: int) -> list[_Element]:
    return [
        child
        for parent in parents
        for child in islice(_elements(file, parent.begin, parent.end), MAX_CHILDREN)
        if child.id == element_id
    ][:MAX_CHILDREN]


def _number(file: BinaryIO, element: _Element) -> int:
    file.seek(element.begin)
    return int.from_bytes(file.read(min(8, element.end - element.begin)), "big")


def _read_matroska(file: BinaryIO) -> Headers:
    size = file.seek(0, 2)
    segments = _find(file, [_Element(0, 0, size)], SEGMENT)
    tracks = _find(file, _find(file, segments, TRACKS)[:1], TRACK)[:MAX_TRACKS]
    encodings = _find(file, _find(file, tracks, ENCODINGS), ENCODING)
    crops = []
    for track in tracks:
        kinds = _find(file, [track], TRACK_TYPE)
        if kinds and _number(file, kinds[0]) == MATROSKA_VIDEO:
            elements = [
                child
                for picture in _find(file, [track], VIDEO)
                for child in islice(_elements(file, picture.begin, picture.end), MAX_CHILDREN)
            ]
            sides = {
                CROPS[element.id]: _number(file, element)
                for element in elements
                if element.id in CROPS
            }
            crops.append(Crop(**sides))
    return Headers(bool(_find(file, encodings, ENCRYPTION)), crops=crops)
