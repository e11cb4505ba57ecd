"""Limit how large a resource may be."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.keys import MAX_SIZE
from streamproxy.middlewares.repeatable import repeatable


def limit_size(max_bytes: int) -> Middleware:
    """Return the middleware that limits the size of what is streamed.

    The limit acts twice: a declared length above it is refused before the first byte
    (too_large), and where none is declared the bytes are counted and the stream is cut.
    Both happen where the length is known and the bytes pass, so this part only says how
    much; a chain may hold several, and the smallest limit counts.

    Outside it: report_errors. Inside it: the handler.

    :param max_bytes: of the complete resource; 0: no limit.
    """

    @repeatable()
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        outer = request.get(MAX_SIZE, 0)
        request[MAX_SIZE] = min(outer, max_bytes) if outer and max_bytes else outer or max_bytes
        return await handler(request)

    return middleware
