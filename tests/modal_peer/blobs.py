"""Where the client puts arguments that are too long for a request, as to S3 by a signed URL."""

import hashlib

from aiohttp import web

from tests.modal_peer.book import Book
from tests.modal_peer.web_server import WebServer


class BlobStore:
    """Takes what is put to it, and keeps it when it is stopped."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._server = WebServer([web.put("/{blob_id}", self._put)])
        self.url = ""

    async def start(self, host: str) -> None:
        """Listen on a free port."""
        self.url = await self._server.start(host)

    async def stop(self) -> None:
        """Close the port."""
        await self._server.stop()

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._book.blobs[request.match_info["blob_id"]] = body
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return web.Response(headers={"ETag": f'"{etag}"'})
