"""Write IPTC's digital source type into a file's XMP, if its container supports XMP.

Readers without support for content credentials find it there. Only for use in the sandbox.
"""

import shutil
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO
from uuid import UUID

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{uri}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
PNG_BEGINNING = 8 + 25
"""Bytes of a PNG's signature and its IHDR chunk. Other chunks may follow them."""
BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
"""The box of ISO base media for XMP (XMP Specification, part 3)."""
MAX_BOXES = 10_000


def insert_source_type(format_name: str, uri: str, source: BinaryIO, target: BinaryIO) -> None:
    """Copy the file, and add the type if its format supports that."""
    source.seek(0)
    writer = WRITERS.get(format_name)
    packet = PACKET.format(uri=uri).encode()
    if writer is None or not writer(source, target, packet):
        source.seek(0)
        shutil.copyfileobj(source, target)


def _write_png(source: BinaryIO, target: BinaryIO, packet: bytes) -> bool:
    target.write(source.read(PNG_BEGINNING))
    text = b"iTXt" + b"XML:com.adobe.xmp\0\0\0\0\0" + packet
    target.write(struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)))
    shutil.copyfileobj(source, target)
    return True


def _write_iso(source: BinaryIO, target: BinaryIO, packet: bytes) -> bool:
    """Append a box at the end, where it moves no other; not if the last box has no size."""
    if not _has_closed_boxes(source):
        return False
    source.seek(0)
    shutil.copyfileobj(source, target)
    target.write(struct.pack(">I", 24 + len(packet)) + b"uuid" + BOX + packet)
    return True


def _has_closed_boxes(source: BinaryIO) -> bool:
    end = source.seek(0, 2)
    position = 0
    for _ in range(MAX_BOXES):
        if position == end:
            return True
        source.seek(position)
        header = source.read(16)
        if len(header) < 8:
            return False
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8:
            return False
        position += size
    return False


def _write_riff(source: BinaryIO, target: BinaryIO, packet: bytes) -> bool:
    """Append a chunk to a WAV, if the file is as long as its header says."""
    header = source.read(12)
    size = int.from_bytes(header[4:8], "little")
    padded = packet + b"\0" * (len(packet) % 2)
    new_size = size + size % 2 + 8 + len(padded)
    if source.seek(0, 2) not in (size + 8, size + 8 + size % 2) or new_size >= 2**32:
        return False
    source.seek(12)
    target.write(b"RIFF" + struct.pack("<I", new_size) + header[8:])
    shutil.copyfileobj(source, target)
    target.write(b"\0" * (target.tell() % 2))
    target.write(b"_PMX" + struct.pack("<I", len(packet)) + padded)
    return True


WRITERS: dict[str, Callable[[BinaryIO, BinaryIO, bytes], bool]] = {
    "png": _write_png,
    "mp4": _write_iso,
    "m4a": _write_iso,
    "wav": _write_riff,
}
