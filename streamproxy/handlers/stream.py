"""GET and HEAD /stream?url=URL: the bytes of URL."""

import logging
from contextlib import closing

from aiohttp import web

from streamproxy.errors import NotSliceable
from streamproxy.handlers.heads import stream_head
from streamproxy.handlers.limits import client_of, limits_of, resume_policy_of
from streamproxy.handlers.repeats import Asked, offer_repeats
from streamproxy.keys import (
    CLIENT,
    LANE,
    LINK,
    PUMP_LIMITS,
    SETTINGS,
    STREAMS,
    TRANSFER,
)
from streamproxy.protocol.heads import read_ask
from streamproxy.protocol.slices import is_sliceable
from streamproxy.relay.body import relay_response
from streamproxy.relay.outlet import ResponseOutlet
from streamproxy.relay.presence import client_presence
from streamproxy.relay.transfer import Transfer
from streamproxy.upstream.body import PlannedBody
from streamproxy.upstream.resource import open_resource

logger = logging.getLogger(__name__)

# By this field a cache that joins parts (nginx, by slice) says so: see deploy/nginx.conf.
_SLICING = "X-Slicing"


async def stream(request: web.Request) -> web.StreamResponse:
    """Answer with the part of the link's bytes that the client asks for."""
    if LANE in request:
        request[LANE].check()
    link, ask = request[LINK], read_ask(request.headers)
    logger.info("Stream request for: %s", link)
    if ask.ranges is not None:
        one = ask.ranges[0] if len(ask.ranges) == 1 else ",".join(map(str, ask.ranges[:10]))
        logger.info("Range request: bytes=%s", one)
    shared = request.config_dict  # made anew at each look
    client, settings = client_of(request, shared[CLIENT]), shared[SETTINGS]
    limits, streams = limits_of(request, settings), shared[STREAMS]
    is_slice = _SLICING in request.headers
    transfer = request.get(TRANSFER) or Transfer()
    presence = client_presence(request, client.loop, stall_timeout=settings.client_stall_timeout)
    running = streams.enter(request, presence, transfer, client.loop)
    running.ranges = ask.ranges
    try:
        with presence:
            async with open_resource(client, link, ask, limits) as resource:
                if is_slice and not is_sliceable(ask, resource.plan):
                    raise NotSliceable("The site gives it no strong ETag, no length, or no ranges.")
                response = stream_head(request, resource)
                policy = resume_policy_of(settings)
                body = PlannedBody(client, link, resource, policy)
                running.body = body
                is_gathered = is_slice and body.is_sent and request.method == "GET"
                to_hold = resource.plan.length or 0 if is_gathered else 0
                with closing(body), streams.holding(to_hold):
                    if to_hold:
                        # nginx does not notice when a slice ends early: it goes on with the next
                        # one, at the wrong place (seen with 1.22). Up to here it gets an error.
                        try:
                            await body.gather()
                        finally:
                            transfer.resumes = body.resumes
                    await relay_response(
                        request,
                        ResponseOutlet(request, response, transfer),
                        body,
                        max_size=limits.max_size,
                        limits=shared[PUMP_LIMITS],
                    )
                if not is_slice:
                    asked = Asked(client, link, resource.upstream.link, ask, limits, policy)
                    offer_repeats(request, asked, resource, response, transfer)
                return response
    finally:
        streams.leave(running)
