"""Limit how many streams run at a time."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.clients import client_key
from streamproxy.middlewares.slots import KINDS, Slots

# Subtitles at a time, of all clients: each is held whole, with what is made of it.
_MAX_SUBTITLES = 16


def limit_streams(max_streams: int, max_per_client: int = 0) -> Middleware:
    """Return the middleware that refuses streams beyond a number, of all or of one client.

    Subtitles are counted by themselves, with the same limits, and 16 at most.

    Outside it: report_errors, log_access. Inside it: whatever a refused stream should not
    cost, so everything that fetches.

    :param max_streams: of all clients together; 0: no limit.
    :param max_per_client: of one client, by its address (IPv6: by /64); 0: no limit.
    """
    of_all, of_clients = Slots(), Slots()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        kind = KINDS.get(request.match_info.route.name or "")
        if kind is None:
            return await handler(request)
        is_stream = kind == "stream"
        places = max_streams if is_stream else min(max_streams or _MAX_SUBTITLES, _MAX_SUBTITLES)
        client = (kind, client_key(request.remote))
        of_all.take(kind, places, "As many streams run as this proxy takes.")
        try:
            of_clients.take(client, max_per_client, "As many run for you as this proxy takes.")
            try:
                return await handler(request)
            finally:
                of_clients.free(client)
        finally:
            of_all.free(kind)

    return middleware
