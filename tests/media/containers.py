"""Headers of MP4 and Matroska files written anew, to say what encoders do not."""

import struct
from collections.abc import Callable, Iterator

CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box."""
    while content:
        size, kind = struct.unpack(">I4s", content[:8])
        size = size or len(content)
        yield kind, content[8:size]
        content = content[size:]


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box."""
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, kind) + content


def rewritten(content: bytes, change: Callable[[bytes, bytes], bytes | None]) -> bytes:
    """Return an MP4 with other boxes in the place of those for which ``change`` has some.

    What lies before must keep its length: so the index stands at the end of the file.
    """
    parts = []
    for kind, inner in boxes(content):
        changed = change(kind, inner)
        if changed is not None:
            parts.append(changed)
        elif kind in CONTAINERS:
            parts.append(box(kind, rewritten(inner, change)))
        else:
            parts.append(box(kind, inner))
    return b"".join(parts)


def begin_empty(content: bytes, empty_ms: int, media_ms: int, from_ms: int = 0) -> bytes:
    """Return an MP4 in whose tracks nothing is played for a while, and then a part of the media."""
    timescales = [
        int.from_bytes(inner[12:16], "big")
        for movie_kind, movie in boxes(content)
        if movie_kind == b"moov"
        for track_kind, track in boxes(movie)
        if track_kind == b"trak"
        for kind, media in boxes(track)
        if kind == b"mdia"
        for inner_kind, inner in boxes(media)
        if inner_kind == b"mdhd"
    ]

    def change(kind: bytes, inner: bytes) -> bytes | None:
        length = empty_ms + media_ms
        if kind == b"mvhd":
            return box(kind, inner[:16], struct.pack(">I", length), inner[20:])
        if kind == b"tkhd":
            return box(kind, inner[:20], struct.pack(">I", length), inner[24:])
        if kind == b"elst":
            (start,) = struct.unpack(">i", inner[12:16])
            start += from_ms * timescales.pop(0) // 1000
            empty = struct.pack(">IiI", empty_ms, -1, 1 << 16)
            played = struct.pack(">IiI", media_ms, start, 1 << 16)
            return box(kind, struct.pack(">II", 0, 2), empty, played)
        return None

    return rewritten(content, change)


def renamed_entry(content: bytes, entry: bytes, name: bytes) -> bytes:
    """Return an MP4 in which a sample entry has another name."""

    def change(kind: bytes, inner: bytes) -> bytes | None:
        if kind != b"stsd" or inner[12:16] != entry:
            return None
        return box(kind, inner[:12], name, inner[16:])

    return rewritten(content, change)


def turned_by(content: bytes, matrix: tuple[float, float, float, float]) -> bytes:
    """Return an MP4 whose pictures have the display matrix ``a, b, c, d``."""
    a, b, c, d = (round(value * 65536) for value in matrix)
    written = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)

    def change(kind: bytes, inner: bytes) -> bytes | None:
        is_shown = kind == b"tkhd" and inner[76:80] != bytes(4)
        return box(kind, inner[:40], written, inner[76:]) if is_shown else None

    return rewritten(content, change)


def cropped_matroska(content: bytes, left: int, right: int) -> bytes:
    """Return a Matroska film that says what to crop where it said how large it is shown."""
    for display, crop, pixels in ((0x54B0, 0x54CC, left), (0x54BA, 0x54DD, right)):
        start = content.index(display.to_bytes(2, "big") + b"\x81")
        element = crop.to_bytes(2, "big") + bytes([0x81, pixels])
        content = content[:start] + element + content[start + len(element) :]
    return content


def with_aperture(content: bytes, width: int, height: int) -> bytes:
    """Return an MP4 of whose pictures only the middle is shown."""
    aperture = box(b"clap", struct.pack(">8i", width, 1, height, 1, 0, 1, 0, 1))

    def change(kind: bytes, inner: bytes) -> bytes | None:
        if kind != b"stsd" or inner[12:16] not in (b"mp4v", b"avc1"):
            return None
        entry = next(boxes(inner[8:]))[1]
        return box(kind, inner[:8], box(inner[12:16], entry, aperture))

    return rewritten(content, change)
