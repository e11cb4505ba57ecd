"""GET /health: whether this process serves, or is about to stop."""

from aiohttp import web

from streamproxy.keys import STREAMS
from streamproxy.version import __version__


async def health(request: web.Request) -> web.Response:
    """Answer 200 while new streams are taken, 503 while the running ones come to their end."""
    streams = request.config_dict[STREAMS]
    answer = {
        "status": "draining" if streams.is_draining else "ok",
        "version": __version__,
        "streams": len(streams),
    }
    status = 503 if streams.is_draining else 200
    return web.json_response(answer, status=status, headers={"Cache-Control": "no-store"})
