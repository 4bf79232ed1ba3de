"""Small HEIC pictures: HEVC stills of x265 in the boxes of ISO/IEC 23008-12."""

import io
import struct
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.media.containers import box, boxes


def heic(pixels: NDArray[np.uint8], *, quarter_turns: int = 0, columns: int = 1) -> bytes:
    """Return a picture (height × width × 3), of tiles side by side as phones make it.

    ``quarter_turns`` counts the counterclockwise turns by which it is shown.
    """
    tiles = np.split(pixels, columns, axis=1)
    coded = [_coded(np.ascontiguousarray(tile)) for tile in tiles]
    height, width = pixels.shape[:2]
    count = len(tiles)
    main = count + 1 if count > 1 else 1
    items = [_entry(number + 1, b"hvc1", is_hidden=count > 1) for number in range(count)]
    data = [content for _, content in coded]
    properties = [box(b"hvcC", coded[0][0]), _size(width // columns, height)]
    associations = [(number + 1, [1, 2]) for number in range(count)]
    references = b""
    if count > 1:
        items.append(_entry(main, b"grid"))
        data.append(struct.pack(">BBBBHH", 0, 0, 0, columns - 1, width, height))
        properties.append(_size(width, height))
        associations.append((main, [3]))
        numbers = struct.pack(f">HH{count}H", main, count, *range(1, count + 1))
        references = box(b"iref", bytes(4), box(b"dimg", numbers))
    if quarter_turns:
        properties.append(box(b"irot", bytes([quarter_turns])))
        associations[-1][1].append(len(properties))

    def meta(offset: int) -> bytes:
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", main)),
            box(b"iinf", bytes(4), struct.pack(">H", len(items)), *items),
            references,
            box(b"iprp", box(b"ipco", *properties), _associated(associations)),
            _places(data, offset),
        )

    start = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    offset = len(start) + len(meta(0)) + 8
    return start + meta(offset) + box(b"mdat", *data)


def _coded(pixels: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """Return the decoder's configuration and the still."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as film:
        stream: Any = film.add_stream("libx265", rate=1)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.codec_tag = "hvc1"
        stream.options = {"x265-params": "log-level=none:info=0:crf=4"}
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = 0
        packets: list[Any] = [*stream.encode(frame), *stream.encode(None)]
        (packet,) = packets
        packet.dts = 0  # x265 leaves it undefined for a film of one frame
        film.mux(packet)
    with av.open(io.BytesIO(file.getvalue())) as film:
        still = next(bytes(packet) for packet in film.demux(video=0))
    return _configuration(file.getvalue()), still


def _configuration(content: bytes) -> bytes:
    start = content.index(b"hvcC") - 4
    return next(inner for _, inner in boxes(content[start:]))


def _size(width: int, height: int) -> bytes:
    return box(b"ispe", bytes(4), struct.pack(">II", width, height))


def _entry(number: int, kind: bytes, *, is_hidden: bool = False) -> bytes:
    return box(b"infe", bytes([2, 0, 0, is_hidden]), struct.pack(">HH", number, 0), kind, b"\0")


def _associated(associations: Sequence[tuple[int, list[int]]]) -> bytes:
    parts = [
        struct.pack(">HB", number, len(properties))
        + bytes(0x80 | property_entry for property_entry in properties)
        for number, properties in associations
    ]
    return box(b"ipma", bytes(4), struct.pack(">I", len(parts)), *parts)


def _places(data: Sequence[bytes], offset: int) -> bytes:
    parts = []
    for number, content in enumerate(data, start=1):
        parts.append(struct.pack(">HHHII", number, 0, 1, offset, len(content)))
        offset += len(content)
    return box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(parts)), *parts)
