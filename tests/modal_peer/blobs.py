"""Where the client puts arguments that are too long for a request, as to S3 by a signed URL."""

import hashlib

from aiohttp import web

from tests.modal_peer.book import Book


class BlobStore:
    """A bare HTTP server that takes what is put to it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_put("/{blob_id}", self._put)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close the port; what was put is kept."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._book.blobs[request.match_info["blob_id"]] = body
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return web.Response(headers={"ETag": f'"{etag}"'})
