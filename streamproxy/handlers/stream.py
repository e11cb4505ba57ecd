"""GET and HEAD /stream?url=URL: the bytes of URL."""

import logging
from contextlib import closing

from aiohttp import HttpVersion11, web

from streamproxy.errors import NotSliceable
from streamproxy.handlers.limits import client_of, limits_of, resume_policy_of
from streamproxy.keys import (
    CLIENT,
    IDENTITY,
    LINK,
    PUMP_LIMITS,
    RESPONSE_FIELDS,
    SETTINGS,
    STREAMS,
    TRANSFER,
)
from streamproxy.protocol.fields import private_cache_control, security_fields
from streamproxy.protocol.filenames import content_disposition
from streamproxy.protocol.heads import read_ask
from streamproxy.protocol.media_types import name_to_save
from streamproxy.protocol.slices import is_sliceable
from streamproxy.relay.body import relay_response
from streamproxy.relay.outlet import StreamedResponse
from streamproxy.relay.presence import client_presence
from streamproxy.relay.transfer import Transfer
from streamproxy.upstream.body import PlannedBody
from streamproxy.upstream.resource import Resource, open_resource

logger = logging.getLogger(__name__)

# By this field a cache that joins parts (nginx, by slice) says so: see deploy/nginx.conf.
_SLICING = "X-Slicing"


async def stream(request: web.Request) -> web.StreamResponse:
    """Answer with the part of the link's bytes that the client asks for."""
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
    try:
        with presence:
            async with open_resource(client, link, ask, limits) as resource:
                if is_slice and not is_sliceable(ask, resource.plan):
                    raise NotSliceable("The site gives it no strong ETag, no length, or no ranges.")
                response = _head(request, resource)
                body = PlannedBody(client, link, resource, resume_policy_of(settings))
                running.body = body
                with closing(body):
                    if is_slice and body.is_sent and request.method == "GET":
                        return await _whole(response, body)
                    await relay_response(
                        request,
                        response,
                        body,
                        transfer,
                        max_size=limits.max_size,
                        limits=shared[PUMP_LIMITS],
                    )
                return response
    finally:
        streams.leave(running)


async def _whole(head: web.StreamResponse, body: PlannedBody) -> web.Response:
    """Answer with a slice when all of it is there, and with an error if it does not come.

    nginx does not notice when a slice ends early: it goes on with the next one, and all
    that follows stands at the wrong place (seen with 1.22).
    """
    chunks = []
    while chunk := await body.read():
        chunks.append(chunk)
    fields = head.headers.copy()
    fields.pop("Content-Length")
    return web.Response(status=head.status, headers=fields, body=b"".join(chunks))


def _disposition(request: web.Request, resource: Resource) -> str:
    """Return how the file is to be shown: in place, or with download=1 saved."""
    # Looked for before the query is taken apart: players do not ask to save.
    is_asked = "download=" in request.rel_url.raw_query_string
    if is_asked and request.query.getall("download", []) == ["1"]:
        name = name_to_save(resource.filename, resource.media_type or "")
        return content_disposition(name, "attachment")
    return content_disposition(resource.filename)


def _head(request: web.Request, resource: Resource) -> web.StreamResponse:
    """Build the head of the response by hand, from the plan and from nothing else."""
    plan = resource.plan
    fields = plan.fields | security_fields(resource.media_type)
    if RESPONSE_FIELDS in request:
        fields = request[RESPONSE_FIELDS] | fields
    if resource.media_type is not None:
        fields["Content-Type"] = resource.media_type
        fields["Content-Disposition"] = _disposition(request, resource)
    if IDENTITY in request:
        fields["Cache-Control"] = private_cache_control(fields.get("Cache-Control"))
    response = StreamedResponse(status=plan.status, headers=fields)
    if plan.length is None and request.version < HttpVersion11:
        response.force_close()  # nothing else ends the body; aiohttp would keep the connection
    return response
