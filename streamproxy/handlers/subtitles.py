"""GET and POST /subtitles: a subtitle file, of a link or of one's own, as WebVTT."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from aiohttp import web

from streamproxy.errors import (
    NotSubtitles,
    ReadTimeout,
    SubtitlesTooLarge,
    TooLarge,
    UpstreamProtocol,
)
from streamproxy.handlers.content import read_content
from streamproxy.handlers.limits import client_of, limits_of, resume_policy_of
from streamproxy.keys import (
    CLIENT,
    CONVERTER,
    LINK,
    MAX_SIZE,
    RESPONSE_FIELDS,
    SETTINGS,
    STREAMS,
    TRANSFER,
)
from streamproxy.protocol.fields import field_value, private_cache_control, security_fields
from streamproxy.protocol.filenames import content_disposition
from streamproxy.protocol.heads import Ask
from streamproxy.relay.outlet import ResponseOutlet, StreamedResponse
from streamproxy.relay.presence import client_presence
from streamproxy.relay.transfer import Transfer
from streamproxy.subtitles.charsets import parse_encoding
from streamproxy.subtitles.convert import MAX_FILE_SIZE, to_webvtt
from streamproxy.upstream.body import PlannedBody
from streamproxy.upstream.resource import Resource, open_resource

logger = logging.getLogger(__name__)

_WEBVTT = "text/vtt"
# Seconds for all of a file to come, from a site or a client: it is small, and has a place
# of few meanwhile.
_MAX_TIME = 60.0
# Bytes that are written at once.
_CHUNK = 256 * 1024
_DEFAULT_CACHE_CONTROL = "max-age=60"


class _File(NamedTuple):
    """A subtitle file as it came, and what came with it."""

    data: bytes
    content_type: str | None
    filename: str | None = None
    cache_control: str | None = None


async def subtitles(request: web.Request) -> web.StreamResponse:
    """Answer with the subtitles behind a link."""
    declared = _declared(request)
    logger.info("Subtitles request for: %s", request[LINK])
    with _attended(request):
        file = await _fetch(request)
        control = private_cache_control(file.cache_control or _DEFAULT_CACHE_CONTROL)
        return await _send(request, await _convert(request, file, declared), file, control)


async def local_subtitles(request: web.Request) -> web.StreamResponse:
    """Answer with the subtitles that are the body of the request."""
    declared = _declared(request)
    with _attended(request):
        file = await _receive(request)
        return await _send(request, await _convert(request, file, declared), file, "no-store")


@contextmanager
def _attended(request: web.Request) -> Iterator[None]:
    """Count a request as a stream, and end it when its client leaves or takes nothing."""
    settings, streams = request.config_dict[SETTINGS], request.config_dict[STREAMS]
    loop = asyncio.get_running_loop()
    presence = client_presence(request, loop, stall_timeout=settings.client_stall_timeout)
    running = streams.enter(request, presence, request.get(TRANSFER) or Transfer(), loop)
    try:
        with presence:
            yield
    finally:
        streams.leave(running)


def _declared(request: web.Request) -> str | None:
    """Return the codec of the encoding that the query declares; None: none.

    :raises UnknownEncoding: one that is not known, or two.
    """
    values = request.query.getall("encoding", [])
    return parse_encoding(", ".join(values)) if any(values) else None


async def _fetch(request: web.Request) -> _File:
    """Return the file behind the link, complete."""
    shared, link = request.config_dict, request[LINK]
    client, settings = client_of(request, shared[CLIENT]), shared[SETTINGS]
    max_size = min(request.get(MAX_SIZE, 0) or MAX_FILE_SIZE, MAX_FILE_SIZE)
    limits = replace(limits_of(request, settings), max_size=max_size)
    opening = open_resource(client, link, Ask(conditions={}), limits, decide=_any_type)
    try:
        async with asyncio.timeout(_MAX_TIME), opening as resource:
            if resource.upstream.head.content_coding is not None:
                raise UpstreamProtocol("The site compresses the file, which was not asked for.")
            with closing(PlannedBody(client, link, resource, resume_policy_of(settings))) as body:
                data = bytearray()
                while chunk := await body.read():
                    data += chunk
                    _check_size(len(data), max_size)
    except TimeoutError as exc:
        raise ReadTimeout("The site did not send the subtitles in time.") from exc
    except TooLarge as exc:
        raise SubtitlesTooLarge(f"Subtitles may have at most {max_size} bytes.") from exc
    return _file_of(resource, bytes(data))


def _any_type(declared: str | None, _filename: str | None, _first_bytes: bytes | None) -> str:
    """Pass files of whatever type: sites call subtitles many things, and the text decides."""
    return declared or ""


def _file_of(resource: Resource, data: bytes) -> _File:
    fields = resource.upstream.head.fields
    content_type = field_value(fields, "Content-Type")
    return _File(data, content_type, resource.filename, field_value(fields, "Cache-Control"))


async def _receive(request: web.Request) -> _File:
    """Return the file that is the body of the request."""
    content_type = field_value(request.headers, "Content-Type")
    if "Content-Encoding" in request.headers or request.content_type.startswith("multipart/"):
        raise NotSubtitles("The body of the request must be the file itself, as it is.")
    _check_size(request.content_length or 0, MAX_FILE_SIZE)
    data = await read_content(request, max_size=MAX_FILE_SIZE, within_s=_MAX_TIME)
    _check_size(len(data), MAX_FILE_SIZE)
    return _File(data, content_type)


def _check_size(size: int, max_size: int) -> None:
    if size > max_size:
        raise SubtitlesTooLarge(f"Subtitles may have at most {max_size} bytes.")


async def _convert(request: web.Request, file: _File, declared: str | None) -> bytes:
    """Return the file as WebVTT, made in the one thread that is for it."""
    convert = partial(to_webvtt, file.data, declared=declared, content_type=file.content_type)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.config_dict[CONVERTER], convert)


async def _send(
    request: web.Request, webvtt: bytes, file: _File, cache_control: str
) -> web.StreamResponse:
    """Send the subtitles while they have their place: who reads slowly holds no more."""
    fields = request.get(RESPONSE_FIELDS, {}) | security_fields(_WEBVTT)
    fields["Content-Type"] = f"{_WEBVTT}; charset=utf-8"
    fields["Content-Length"] = str(len(webvtt))
    fields["Cache-Control"] = cache_control
    if file.filename is not None:
        name = file.filename.rpartition(".")[0] or file.filename
        fields["Content-Disposition"] = content_disposition(f"{name}.vtt")
    response = StreamedResponse(headers=fields)
    outlet = ResponseOutlet(request, response, request.get(TRANSFER) or Transfer())
    try:
        await outlet.begin(at_once=False)
        for start in range(0, len(webvtt), _CHUNK):
            await outlet.send(webvtt[start : start + _CHUNK])
            await outlet.drain()
        await outlet.finish()
    except BaseException:
        outlet.abort()
        raise
    return response
