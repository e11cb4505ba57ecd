"""/api/sessions: the streams that run, for the owner; and one's own, for whoever made it."""

import asyncio

from aiohttp import web

from streamproxy.access.clients import client_key
from streamproxy.access.owner import comes_from_owner
from streamproxy.errors import NoSuchSession, OwnerOnly
from streamproxy.keys import IDENTITY, LINK, REQUEST_ID, SETTINGS, STREAMS
from streamproxy.protocol.heads import read_ask
from streamproxy.protocol.parameters import url_parameter
from streamproxy.relay.streams import Running
from streamproxy.targets.links import parse_link

_FIELDS = {"Cache-Control": "no-store"}


async def sessions(request: web.Request) -> web.Response:
    """Answer with all streams that run in this process; for the owner."""
    check_owner(request)
    return web.json_response(overview(request), headers=_FIELDS)


async def session(request: web.Request) -> web.Response:
    """Answer with one stream: all of it to the owner, how far it is to whoever made it."""
    running = _find(request)
    now = asyncio.get_running_loop().time()
    if _is_owner(request):
        return web.json_response(_facts(running, now), headers=_FIELDS)
    if _maker(running.request) != _maker(request):
        raise NoSuchSession
    return web.json_response(_progress(running, now), headers=_FIELDS)


async def own_sessions(request: web.Request) -> web.Response:
    """Answer with the streams of a link that whoever asks has made: how far each one is."""
    link, maker = parse_link(url_parameter(request.rel_url.raw_query_string)), _maker(request)
    now = asyncio.get_running_loop().time()
    found = [
        _progress(running, now)
        for running in _by_age(request)
        if running.request.get(LINK) == link and _maker(running.request) == maker
    ]
    return web.json_response({"sessions": found}, headers=_FIELDS)


async def end_session(request: web.Request) -> web.Response:
    """End a stream; for the owner."""
    check_owner(request)
    _find(request).end()
    return web.Response(status=204, headers=_FIELDS)


def check_owner(request: web.Request) -> None:
    """Refuse everybody but the owner.

    :raises OwnerOnly: somebody else asks.
    """
    if not _is_owner(request):
        raise OwnerOnly("This is for the owner of the proxy alone.")


def _is_owner(request: web.Request) -> bool:
    return comes_from_owner(request, request.get(IDENTITY), request.config_dict[SETTINGS])


def overview(request: web.Request) -> dict[str, object]:
    """Return what the owner sees of all streams, the oldest first."""
    now = asyncio.get_running_loop().time()
    running = _by_age(request)
    return {
        "streams": len(running),
        "rate": round(sum(one.rate(now) for one in running)),
        "sessions": [_facts(one, now) for one in running],
    }


def _by_age(request: web.Request) -> list[Running]:
    """Return the streams that run in this process, the oldest first."""
    return sorted(request.config_dict[STREAMS].running, key=lambda one: one.started_at)


def _find(request: web.Request) -> Running:
    wanted = request.match_info["id"]
    for running in request.config_dict[STREAMS].running:
        if _id_of(running) == wanted:
            return running
    raise NoSuchSession


def _id_of(running: Running) -> str:
    """Return what the client was told to call it by, else a name that is ours alone."""
    given: str | None = running.request.get(REQUEST_ID)
    return given or running.id


def _maker(request: web.Request) -> tuple[object, ...]:
    return client_key(request.remote), request.get(IDENTITY)


def _facts(running: Running, now: float) -> dict[str, object]:
    request = running.request
    identity, ranges = request.get(IDENTITY), read_ask(request.headers).ranges
    link = request.get(LINK)  # a file of subtitles that a client sends has none
    about = {
        "client": request.remote,
        "user": None if identity is None else str(identity),
        "host": None if link is None else link.host,
        "range": None if ranges is None else ",".join(map(str, ranges)),
    }
    return about | _progress(running, now)


def _progress(running: Running, now: float) -> dict[str, object]:
    transport = running.request.transport
    return {
        "id": _id_of(running),
        "bytes": running.transfer.bytes_sent,
        "rate": round(running.rate(now)),
        "buffer": 0 if transport is None else transport.get_write_buffer_size(),
        "seconds": round(now - running.started_at, 1),
        "relay": running.transfer.relay,
        "resumes": running.resumes,
    }
