"""Limit how many streams run at a time."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.clients import client_key
from streamproxy.middlewares.slots import Slots


def limit_streams(max_streams: int, max_per_client: int = 0) -> Middleware:
    """Return the middleware that refuses streams beyond a number, of all or of one client.

    Outside it: report_errors, log_access. Inside it: whatever a refused stream should not
    cost, so everything that fetches.

    :param max_streams: of all clients together; 0: no limit.
    :param max_per_client: of one client, by its address (IPv6: by /64); 0: no limit.
    """
    of_all, of_clients = Slots(), Slots()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name != "stream":
            return await handler(request)
        client = client_key(request.remote)
        of_all.take(None, max_streams, "As many streams run as this proxy takes.")
        try:
            of_clients.take(client, max_per_client, "As many run for you as this proxy takes.")
            try:
                return await handler(request)
            finally:
                of_clients.free(client)
        finally:
            of_all.free(None)

    return middleware
