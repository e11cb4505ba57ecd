"""Limit how many streams run at a time."""

from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamproxy.access.clients import client_key
from streamproxy.errors import TooManyStreams
from streamproxy.middlewares.repeatable import repeatable
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
    places = _Places(max_streams, max_per_client)
    place = partial(_place, places)

    @repeatable(place)
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        with place(request):
            return await handler(request)

    return middleware


class _Places:
    """The places of all clients, and those of each one."""

    def __init__(self, max_streams: int, max_per_client: int) -> None:
        subtitles = min(max_streams or _MAX_SUBTITLES, _MAX_SUBTITLES)
        self.limits = {"stream": max_streams, "subtitles": subtitles}
        self.max_per_client = max_per_client
        self.of_all, self.of_clients = Slots(), Slots()


class _place:  # noqa: N801  # reads like a function: with place(...)
    """Context manager: hold a place among all and one among the client's, if the route needs it."""

    __slots__ = ("_client", "_kind", "_places")

    def __init__(self, places: _Places, request: web.Request) -> None:
        self._places = places
        self._kind = KINDS.get(request.match_info.route.name or "")
        self._client = self._kind, client_key(request.remote)

    def __enter__(self) -> None:
        places, kind = self._places, self._kind
        if kind is None:
            return
        places.of_all.take(kind, places.limits[kind], "As many streams run as this proxy takes.")
        try:
            detail = "As many run for you as this proxy takes."
            places.of_clients.take(self._client, places.max_per_client, detail)
        except TooManyStreams:
            places.of_all.free(kind)
            raise

    def __exit__(self, *_: object) -> None:
        if self._kind is not None:
            self._places.of_clients.free(self._client)
            self._places.of_all.free(self._kind)
