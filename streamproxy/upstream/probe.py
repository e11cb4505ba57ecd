"""Find out what is known of a link before it plays, with one small ranged GET."""

from dataclasses import dataclass

from streamproxy.errors import NotMedia, RangeNotSatisfiable
from streamproxy.protocol.fields import entity_tag, field_value
from streamproxy.protocol.heads import Ask
from streamproxy.protocol.media_types import container_of, moov_at_end
from streamproxy.protocol.ranges import IntRange
from streamproxy.protocol.signatures import detect_type
from streamproxy.targets.links import Link
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.resource import Limits, open_resource

# Fits the first flight of a TCP connection, and shows the first boxes of an MP4.
PROBE_LENGTH = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one look at a resource tells.

    :param complete_length: bytes, or None where the site does not say.
    :param supports_range: whether a range was asked for and came.
    :param seekable: whether any part can be had, also by cutting it out of the whole.
    :param moov_at_end: of an MP4, whether its index follows the media; None: not seen.
    """

    link: Link
    media_type: str
    complete_length: int | None
    supports_range: bool
    seekable: bool
    filename: str | None
    container: str | None
    etag: str | None
    last_modified: str | None
    moov_at_end: bool | None


async def probe(client: UpstreamClient, link: Link, limits: Limits) -> Probe:
    """Look at what *link* leads to.

    :raises ProxyError: the reason why it cannot be played.
    """
    client.forget(link)  # what is said here is true now
    ask = Ask(ranges=(IntRange(0, PROBE_LENGTH - 1),), conditions={})
    try:
        async with open_resource(client, link, ask, limits, look=PROBE_LENGTH) as resource:
            plan, upstream = resource.plan, resource.upstream
    except RangeNotSatisfiable as exc:
        raise NotMedia("The file is empty.") from exc
    media_type, first_bytes = resource.media_type or "", resource.first_bytes or b""
    container = container_of(detect_type(first_bytes) or media_type)
    fields = upstream.head.fields
    return Probe(
        link=upstream.link,
        media_type=media_type,
        complete_length=plan.complete_length,
        supports_range=plan.ranges_seen,
        seekable=plan.seekable,
        filename=resource.filename,
        container=container,
        etag=entity_tag(fields),
        last_modified=field_value(fields, "Last-Modified"),
        moov_at_end=moov_at_end(first_bytes) if container == "mp4" else None,
    )
