"""Let what repeats a request, but for its range, be answered by the handler of that request."""

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from streamproxy.keys import AROUNDS, LANE, STREAMS
from streamproxy.middlewares.repeatable import repeatable
from streamproxy.protocol.repeats import RequestForm, is_head_of
from streamproxy.relay.lane import Lane


@repeatable()
@web.middleware
async def answer_repeats(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hand the request on, and then stay for its repeats, where the handler offers to.

    Outside it: nothing; create_app puts it there. Not where the application is a part of
    another one, whose chain has to see each request.
    """
    with request.config_dict[STREAMS].expected():
        return await _stay(request, handler)


async def _stay(request: web.Request, handler: Handler) -> web.StreamResponse:
    transport = request.transport
    if transport is None or AROUNDS not in request.app or len(request.match_info.apps) > 1:
        return await handler(request)
    lane = request[LANE] = Lane.of(transport)
    head = lane.begin()
    try:
        response = await handler(request)
    finally:
        stay, lane.stay, lane.failure = lane.stay, None, None
    if head and stay is not None and response.keep_alive and _is_plain(request):
        form = RequestForm.of(head)
        is_known = form and is_head_of(head, request.raw_path, request.raw_headers)
        if form and is_known and lane.open(form):
            try:
                await stay(lane)
            finally:
                lane.close()
    return response


def _is_plain(request: web.Request) -> bool:
    """Tell whether a request is all that its head says, and asks for nothing but an answer."""
    return (
        request.method == "GET"
        and request.version == HttpVersion11
        and not request.can_read_body
        and "Expect" not in request.headers
        and "Upgrade" not in request.headers
    )
