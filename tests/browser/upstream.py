"""The remote site of these tests: real clips, a web page, refusals and silence."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientConnectionResetError, web
from aiohttp.typedefs import Handler

# What becomes of a request, by the first position it asks for.
Mood = Callable[[int], None]

# 800 kB/s: twice what a clip needs.
PACE_BYTES, PACE_S = 80_000, 0.1


def willing(_first_pos: int) -> None:
    """Give what is asked."""


def expired(_first_pos: int) -> None:
    """Refuse whatever is asked, as sites do with links of yesterday."""
    raise web.HTTPForbidden


def stuck(first_pos: int) -> None:
    """Refuse all but the start: the link looks alive and does not play on."""
    if first_pos > 0:
        raise web.HTTPGone


class Upstream:
    """A site on loopback whose mood a test can change.

    ``first_positions`` are those asked for so far. With ``breaks_off`` what is paced ends at once;
    ``pace_s`` are the seconds between two parts of it.
    """

    def __init__(self, clips: Path) -> None:
        self.origin = ""
        self._clips = clips
        self._closing = asyncio.Event()
        self.calm_down()

    def calm_down(self) -> None:
        """Forget what the last test did."""
        self.mood: Mood = willing
        self.breaks_off = False
        self.pace_s = PACE_S
        self.first_positions: list[int] = []

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._in_a_mood])
        app.router.add_get("/page.html", self._page)
        app.router.add_get("/forbidden/film.mp4", self._forbidden)
        app.router.add_get("/slow/film.mp4", self._slow)
        app.router.add_get("/broken.mp4", self._broken)
        app.router.add_static("/clips", self._clips)
        app.router.add_get("/paced/{clip}", self._paced)
        app.router.add_get("/unmeasured/{clip}", self._unmeasured)
        app.on_shutdown.append(self._on_shutdown)
        return app

    def link(self, path: str) -> str:
        return f"{self.origin}{path}"

    @web.middleware
    async def _in_a_mood(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        first_pos = request.http_range.start or 0
        self.first_positions.append(first_pos)
        self.mood(first_pos)
        return await handler(request)

    async def _page(self, _request: web.Request) -> web.Response:
        html = "<!doctype html><title>Films</title><p>No film."
        return web.Response(text=html, content_type="text/html")

    async def _forbidden(self, _request: web.Request) -> web.Response:
        raise web.HTTPForbidden

    async def _slow(self, _request: web.Request) -> web.Response:
        await self._closing.wait()
        raise web.HTTPServiceUnavailable

    async def _broken(self, _request: web.Request) -> web.Response:
        """Answer with what begins like an MP4 and holds nothing that could be played."""
        file_type_box = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
        return web.Response(body=file_type_box + bytes(64 * 1024), content_type="video/mp4")

    async def _paced(self, request: web.Request) -> web.StreamResponse:
        """Send a clip little faster than it plays, so that a browser holds no more than that."""
        clip = (self._clips / request.match_info["clip"]).read_bytes()
        first_pos = request.http_range.start or 0
        response = web.StreamResponse(status=206)
        response.content_type = "video/mp4"
        response.content_length = len(clip) - first_pos
        response.headers["Content-Range"] = f"bytes {first_pos}-{len(clip) - 1}/{len(clip)}"
        await response.prepare(request)
        with suppress(ClientConnectionResetError):  # the person went elsewhere
            for at in range(first_pos, len(clip), PACE_BYTES):
                await response.write(clip[at : at + PACE_BYTES])
                await asyncio.sleep(self.pace_s)
                if self.breaks_off and request.transport is not None:
                    request.transport.abort()
        return response

    async def _unmeasured(self, request: web.Request) -> web.StreamResponse:
        """Send a whole clip whatever is asked, and say neither its length nor its ranges."""
        response = web.StreamResponse()
        response.content_type = "video/webm"
        response.enable_chunked_encoding()
        await response.prepare(request)
        with suppress(ClientConnectionResetError):  # the person went elsewhere
            await response.write((self._clips / request.match_info["clip"]).read_bytes())
        return response

    async def _on_shutdown(self, _app: web.Application) -> None:
        self._closing.set()
