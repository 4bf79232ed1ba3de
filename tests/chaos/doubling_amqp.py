"""RabbitMQ traffic with every queued message twice: the frames of a publication come again."""

import struct
from collections.abc import Callable

PROTOCOL = b"AMQP"
PROTOCOL_BYTES = 8
FRAME = struct.Struct(">BHI")
END_BYTES = 1
METHOD, HEADER, BODY = 1, 2, 3
PUBLISH = struct.pack(">HHHB", 60, 40, 0, 0)  # to the exchange without a name, so to a queue
SIZE_AT = FRAME.size + 4


class AmqpDoubling:
    """Changes the frames of one connection; an answer too many is one that nobody waits for."""

    def __init__(self, is_on: Callable[[], bool]) -> None:
        self._is_on = is_on
        self._held = b""
        self._publication = b""
        self._missing = 0  # bytes of the body

    def __call__(self, data: bytes) -> bytes:
        """What to send on for ``data``; a frame cut in two waits for its rest."""
        self._held += data
        sent = b""
        while size := _frame_size(self._held):
            frame, self._held = self._held[:size], self._held[size:]
            sent += frame + self._again(frame)
        return sent

    def _again(self, frame: bytes) -> bytes:
        """What must follow this frame."""
        kind, payload = frame[0], frame[FRAME.size : -END_BYTES]
        if kind == METHOD and payload.startswith(PUBLISH) and self._is_on():
            self._publication = frame
        elif kind == HEADER and self._publication:
            self._publication += frame
            (self._missing,) = struct.unpack_from(">Q", frame, SIZE_AT)
        elif kind == BODY and self._publication:
            self._publication += frame
            self._missing -= len(payload)
            if self._missing <= 0:
                again, self._publication = self._publication, b""
                return again
        return b""


def _frame_size(data: bytes) -> int:
    """How long the first frame is; 0 while it is incomplete."""
    if data.startswith(PROTOCOL):
        return PROTOCOL_BYTES if len(data) >= PROTOCOL_BYTES else 0
    if len(data) < FRAME.size:
        return 0
    _, _, length = FRAME.unpack_from(data)
    size = FRAME.size + int(length) + END_BYTES
    return size if len(data) >= size else 0
