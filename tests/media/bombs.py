"""Small files that ask for much memory."""

import io
import struct
import zlib

import av

MIB = 1024**2


def zeros(count: int, block: int = MIB) -> bytes:
    """So many zeros (whole blocks of them), deflated, without ever holding them all."""
    deflate = zlib.compressobj(9, wbits=-15)
    once = deflate.compress(bytes(block)) + deflate.flush(zlib.Z_FULL_FLUSH)
    blocks = -(-count // block)
    checksum = ((blocks * block % 65521) << 16) | 1
    return b"\x78\x9c" + once * blocks + b"\x03\x00" + struct.pack(">I", checksum)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A black picture with further chunks before its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = zeros((4 * width + 1) * height, 4 * width + 1)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_with_text(size: int) -> bytes:
    """One dot, and a compressed text of ``size`` bytes."""
    return png(1, 1, (b"zTXt", b"Comment\0\0" + zeros(size)))


def png_with_profile(size: int) -> bytes:
    """One dot, and a colour profile of ``size`` bytes."""
    return png(1, 1, (b"iCCP", b"Profile\0\0" + zeros(size)))


def mov_of_pictures(streams: int, side: int) -> bytes:
    """A film with several streams, each of one large PNG: FFmpeg decodes a frame of each."""
    content = png(side, side)
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as container:
        created = []
        for _ in range(streams):
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = side, side, "rgba"
            created.append(stream)
        for stream in created:
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, 0, 0
            packet.is_keyframe = True
            container.mux(packet)
    return file.getvalue()
