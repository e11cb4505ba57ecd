"""Limit how many streams run at a time."""

from collections import Counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.errors import TooManyStreams

# Seconds, as a hint: a stream ends when somebody closes a page.
_RETRY_AFTER = "10"


def limit_streams(max_streams: int, max_per_client: int = 0) -> Middleware:
    """Return the middleware that refuses streams beyond a number, of all or of one client.

    Outside it: report_errors, log_access. Inside it: whatever a refused stream should not
    cost, so everything that fetches.

    :param max_streams: of all clients together; 0: no limit.
    :param max_per_client: of one client, by its address; 0: no limit.
    """
    running: Counter[str | None] = Counter()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name != "stream":
            return await handler(request)
        client = request.remote
        retry = {"Retry-After": _RETRY_AFTER}
        if max_streams and running.total() >= max_streams:
            raise TooManyStreams("As many streams run as this proxy takes.", fields=retry)
        if max_per_client and running[client] >= max_per_client:
            raise TooManyStreams("As many streams run for you as this proxy takes.", fields=retry)
        running[client] += 1
        try:
            return await handler(request)
        finally:
            running[client] -= 1
            if not running[client]:
                del running[client]

    return middleware
