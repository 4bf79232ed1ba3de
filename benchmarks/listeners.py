"""Open sockets at `/ws/jobs` in a separate process, and print the delay of each event.

It implements only the needed part of the WebSocket protocol: ten thousand clients of a library
would use the cores that are measured.
"""

import asyncio
import gc
import json
import resource
import struct
import sys
import time
from datetime import datetime
from pathlib import Path

AT_ONCE = 100
"""The number of sockets that are opened at the same time."""
ADDRESSES = 8
"""The number of loopback addresses: a single one has too few ports."""
TEXT, PING = 0x1, 0x9
MASK = b"\0\0\0\0"
SHORT, MEDIUM = 125, 126


class Listener(asyncio.Protocol):
    """One WebSocket."""

    def __init__(self, token: str, late: list[float]) -> None:
        self.is_open = asyncio.get_running_loop().create_future()
        self._token = token
        self._late = late
        self._received = b""
        self._is_upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            b"GET /ws/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            b"Sec-WebSocket-Protocol: auteur.v1, bearer." + self._token.encode() + b"\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(ConnectionError("closed before hello"))
        else:
            print("a socket was closed", file=sys.stderr, flush=True)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_upgraded:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_upgraded, self._received = True, rest
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        received = self._received
        if len(received) < 2:
            return False
        length, start = received[1], 2
        if length == MEDIUM:
            length, start = int.from_bytes(received[2:4]), 4
        elif length > MEDIUM:
            length, start = int.from_bytes(received[2:10]), 10
        if len(received) < start + length:
            return False
        self._received = received[start + length :]
        self._hear(received[0] & 0xF, received[start : start + length])
        return True

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._transport.write(struct.pack("BB", 0x8A, 0x80 | len(payload)) + MASK + payload)
        elif opcode == TEXT and self.is_open.done():
            now = time.time()
            event = json.loads(payload)["event"]
            self._late.append(now - datetime.fromisoformat(event["timestamp"]).timestamp())
        elif opcode == TEXT:
            self.is_open.set_result(None)


async def listen(port: int, tokens: list[str]) -> None:
    """Open a socket for each token; answer each line of input with the delays since then."""
    late: list[float] = []
    turn = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def begin(number: int, token: str) -> None:
        async with turn:
            listener = Listener(token, late)
            address = (f"127.0.0.{2 + number % ADDRESSES}", 0)
            await loop.create_connection(lambda: listener, "127.0.0.1", port, local_addr=address)
            await listener.is_open

    await asyncio.gather(*(begin(*numbered_token) for numbered_token in enumerate(tokens)))
    gc.freeze()  # what a thousand programs would hold is not to be walked by one
    print("open", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        late_events, late[:] = late[:], []
        print(json.dumps(late_events), flush=True)


if __name__ == "__main__":
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    asyncio.run(listen(int(sys.argv[1]), Path(sys.argv[2]).read_text().split()))
