"""GET /health: whether this process serves."""

from aiohttp import web

from streamproxy.version import __version__


async def health(_request: web.Request) -> web.Response:
    """Answer that it does."""
    answer = {"status": "ok", "version": __version__}
    return web.json_response(answer, headers={"Cache-Control": "no-store"})
