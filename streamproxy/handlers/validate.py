"""GET /api/validate?url=URL: what is known of URL, before it plays."""

from aiohttp import web

from streamproxy.handlers.limits import client_of, limits_of
from streamproxy.keys import CLIENT, LINK, SETTINGS
from streamproxy.relay.presence import client_presence
from streamproxy.upstream.probe import Probe, probe


async def validate(request: web.Request) -> web.Response:
    """Answer with what a look at the link shows; a failure is reported by the chain."""
    shared = request.config_dict
    client, limits = client_of(request, shared[CLIENT]), limits_of(request, shared[SETTINGS])
    with client_presence(request, client.loop):
        found = await probe(client, request[LINK], limits, all_tracks=_asks_for_tracks(request))
    return web.json_response(_answer(found), headers={"Cache-Control": "no-store"})


def _asks_for_tracks(request: web.Request) -> bool:
    return request.query.getall("tracks", []) == ["1"]


def _answer(found: Probe) -> dict[str, object]:
    length = found.complete_length
    return {
        "valid": True,
        "content_type": found.media_type,
        "content_length": None if length is None else str(length),
        "accept_ranges": "bytes" if found.supports_range else "none",
        "supports_range": found.supports_range,
        "seekable": found.seekable,
        "filename": found.filename,
        # The origin alone: what a redirect leads to may be signed.
        "final_url": found.link.origin,
        "container": found.container,
        "etag": found.etag,
        "last_modified": found.last_modified,
        "moov_at_end": found.moov_at_end,
        "codecs": found.codecs,
    }
