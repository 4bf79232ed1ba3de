"""A TCP proxy between a client and a store that can drop, stall, refuse and cut connections."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

from auteur.devstack.ports import HOST

CHUNK_BYTES = 65_536
CALL_SECONDS = 10.0
LOOK_SECONDS = 0.02

Rewrite = Callable[[bytes], bytes]


class Mode(Enum):
    """What becomes of bytes and of new connections."""

    PASS = auto()
    STALL = auto()  # bytes wait, and go on afterwards
    DROP = auto()  # bytes vanish; a connection that lost some never works again
    REFUSE = auto()  # new connections are reset at once


@dataclass(eq=False)
class _Link:
    """One client's connection and ours to the server for it."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    is_deaf: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Listens on ``port``, leads to ``target``, in a thread of its own.

    ``rewrite`` makes, for each connection, a function that changes what the client sends.
    """

    def __init__(
        self, port: int, target: int, rewrite: Callable[[], Rewrite] = lambda: bytes
    ) -> None:
        self.port = port
        self.mode = Mode.PASS
        self._target = target
        self._rewrite = rewrite
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(asyncio.start_server(self._serve, HOST, self.port))
        return self

    def __exit__(self, *exc: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> int:
        """Reset every connection there is; returns how many there were."""
        return self._call(self._reset_all())

    def _call(self, coroutine) -> int:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_SECONDS)

    async def _reset_all(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    async def _end(self) -> None:
        other_items = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for task in other_items:
            task.cancel()
        await asyncio.gather(*other_items, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link([writer])
        if self.mode is Mode.REFUSE:
            link.reset()
            return
        self._links.add(link)
        try:
            to_server, from_server = await asyncio.open_connection(HOST, self._target), writer
            link.writers.append(to_server[1])
            pumps = [
                self._pump(link, reader, to_server[1], self._rewrite()),
                self._pump(link, to_server[0], from_server, bytes),
            ]
            await asyncio.gather(*pumps)
        except OSError:
            pass  # one side is gone, so the other goes as well
        finally:
            self._links.discard(link)
            link.reset()

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rewrite: Rewrite,
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            while self.mode is Mode.STALL:
                await asyncio.sleep(LOOK_SECONDS)
            link.is_deaf |= self.mode is Mode.DROP
            if not link.is_deaf:
                writer.write(rewrite(data))
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
