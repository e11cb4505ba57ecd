"""GET and HEAD /stream?url=URL: the bytes of URL."""

import logging
from contextlib import closing

from aiohttp import HttpVersion11, web

from streamproxy.handlers.limits import client_of, limits_of, resume_policy_of
from streamproxy.keys import (
    CLIENT,
    IDENTITY,
    LINK,
    MAX_SIZE,
    RESPONSE_FIELDS,
    SETTINGS,
    STREAMS,
    TRANSFER,
)
from streamproxy.protocol.fields import private_cache_control, security_fields
from streamproxy.protocol.filenames import content_disposition
from streamproxy.protocol.heads import read_ask
from streamproxy.protocol.media_types import name_to_save
from streamproxy.relay.body import relay_response
from streamproxy.relay.outlet import StreamedResponse
from streamproxy.relay.presence import client_presence
from streamproxy.relay.splice import CAN_SPLICE, SpliceLimits
from streamproxy.relay.transfer import Transfer
from streamproxy.settings import Settings
from streamproxy.upstream.body import PlannedBody
from streamproxy.upstream.resource import Resource, open_resource

logger = logging.getLogger(__name__)


async def stream(request: web.Request) -> web.StreamResponse:
    """Answer with the part of the link's bytes that the client asks for."""
    link, ask = request[LINK], read_ask(request.headers)
    logger.info("Stream request for: %s", link)
    if ask.ranges is not None:
        logger.info("Range request: bytes=%s", ",".join(map(str, ask.ranges[:10])))
    shared = request.config_dict  # made anew at each look
    client, settings = client_of(request, shared[CLIENT]), shared[SETTINGS]
    with shared[STREAMS].running():
        async with (
            client_presence(request, stall_timeout=settings.client_stall_timeout),
            open_resource(client, link, ask, limits_of(request, settings)) as resource,
        ):
            response = _head(request, resource)
            with closing(PlannedBody(client, link, resource, resume_policy_of(settings))) as body:
                await relay_response(
                    request,
                    response,
                    body,
                    request.get(TRANSFER) or Transfer(),
                    max_size=request.get(MAX_SIZE, 0),
                    splicing=_splice_limits(settings),
                )
            return response


def _splice_limits(settings: Settings) -> SpliceLimits | None:
    if not (settings.splice and CAN_SPLICE):
        return None
    return SpliceLimits(read=settings.read_timeout, stall=settings.client_stall_timeout)


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
    fields = request.get(RESPONSE_FIELDS, {}) | plan.fields | security_fields(resource.media_type)
    if resource.media_type is not None:
        fields["Content-Type"] = resource.media_type
        fields["Content-Disposition"] = _disposition(request, resource)
    if IDENTITY in request:
        fields["Cache-Control"] = private_cache_control(fields.get("Cache-Control"))
    response = StreamedResponse(status=plan.status, headers=fields)
    if plan.length is None and request.version < HttpVersion11:
        response.force_close()  # nothing else ends the body; aiohttp would keep the connection
    return response
