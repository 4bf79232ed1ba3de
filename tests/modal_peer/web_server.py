"""A bare HTTP server beside the peer's gRPC, in the same event loop."""

from collections.abc import Iterable

from aiohttp import web

MAX_BODY_BYTES = 64 * 1024 * 1024


class WebServer:
    """Answers by ``routes`` while it is started."""

    def __init__(self, routes: Iterable[web.RouteDef]) -> None:
        self._routes = list(routes)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int = 0) -> str:
        """Listen, on a free port if none is given; returns where."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
