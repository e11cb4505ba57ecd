"""The head of a stream's response, built by hand: from the plan and from nothing else."""

from aiohttp import HttpVersion11, web

from streamproxy.keys import IDENTITY, RESPONSE_FIELDS
from streamproxy.protocol.fields import private_cache_control, security_fields
from streamproxy.protocol.filenames import content_disposition
from streamproxy.protocol.media_types import name_to_save
from streamproxy.relay.outlet import StreamedResponse
from streamproxy.upstream.resource import Resource


def stream_head(request: web.Request, resource: Resource) -> StreamedResponse:
    """Return the response, without its body."""
    plan = resource.plan
    response = StreamedResponse(status=plan.status, headers=stream_fields(request, resource))
    if plan.length is None and request.version < HttpVersion11:
        response.force_close()  # nothing else ends the body; aiohttp would keep the connection
    return response


def stream_fields(request: web.Request, resource: Resource) -> dict[str, str]:
    """Return the fields of the response."""
    plan = resource.plan
    fields = plan.fields | security_fields(resource.media_type)
    if RESPONSE_FIELDS in request:
        fields = request[RESPONSE_FIELDS] | fields
    if resource.media_type is not None:
        fields["Content-Type"] = resource.media_type
        fields["Content-Disposition"] = _disposition(request, resource)
    if IDENTITY in request:
        fields["Cache-Control"] = private_cache_control(fields.get("Cache-Control"))
    return fields


def _disposition(request: web.Request, resource: Resource) -> str:
    """Return how the file is to be shown: in place, or with download=1 saved."""
    # Looked for before the query is taken apart: players do not ask to save.
    is_asked = "download=" in request.rel_url.raw_query_string
    if is_asked and request.query.getall("download", []) == ["1"]:
        name = name_to_save(resource.filename, resource.media_type or "")
        return content_disposition(name, "attachment")
    return content_disposition(resource.filename)
