"""--demo: a sample video on a second loopback port, so that a first try works offline."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address

from aiohttp import web

from streamproxy.assets import asset_folder
from streamproxy.keys import SAMPLE_LINK
from streamproxy.settings import Settings

_HOST = "127.0.0.1"
_NAME = "sample.mp4"


class Demo:
    """A server of one file on a free loopback port."""

    def __init__(self) -> None:
        self._socket = socket.create_server((_HOST, 0))
        self.port: int = self._socket.getsockname()[1]

    @property
    def link(self) -> str:
        """The link of the sample video."""
        return f"http://{_HOST}:{self.port}/{_NAME}"

    def permit(self, settings: Settings) -> Settings:
        """Return the settings under which this one origin may be fetched."""
        endpoint = (ip_address(_HOST), self.port)
        return replace(settings, allow_endpoint=(*settings.allow_endpoint, endpoint))

    def attach(self, app: web.Application) -> None:
        """Serve the sample while *app* runs, and offer it on the page."""
        app[SAMPLE_LINK] = self.link
        app.cleanup_ctx.append(self._serve)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    async def _serve(self, _app: web.Application) -> AsyncIterator[None]:
        site_app = web.Application()
        site_app.router.add_get(f"/{_NAME}", _sample)
        runner = web.AppRunner(site_app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        yield
        await runner.cleanup()


async def _sample(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(asset_folder("static") / _NAME)
