"""Find out what is known of a link before it plays, with small ranged GETs: mostly one."""

from dataclasses import dataclass

from streamproxy.errors import NotMedia, ProxyError, RangeNotSatisfiable
from streamproxy.protocol.codecs import find_codecs
from streamproxy.protocol.fields import entity_tag, field_value
from streamproxy.protocol.heads import Ask
from streamproxy.protocol.media_types import container_of, moov_at_end
from streamproxy.protocol.mp4 import Mp4Index
from streamproxy.protocol.ranges import IntRange
from streamproxy.protocol.signatures import detect_type
from streamproxy.targets.links import Link
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.resource import Limits, open_resource

# Fits the first flight of a TCP connection, and shows the first boxes of an MP4.
PROBE_LENGTH = 8 * 1024
# The index of an MP4 may come last, and each track is described before a long table of its own.
_MORE_LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one look at a resource tells.

    :param complete_length: bytes, or None where the site does not say.
    :param supports_range: whether a range was asked for and came.
    :param seekable: whether any part can be had, also by cutting it out of the whole.
    :param moov_at_end: of an MP4, whether its index follows the media; None: not seen.
    :param codecs: names of RFC 6381, of the tracks that were seen; None: none was.
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
    codecs: list[str] | None


async def probe(
    client: UpstreamClient, link: Link, limits: Limits, *, all_tracks: bool = False
) -> Probe:
    """Look at what *link* leads to.

    :param all_tracks: look for those tracks, too, that one request does not show.
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
    codecs = find_codecs(first_bytes, container)
    if all_tracks and container == "mp4" and plan.ranges_seen:
        codecs = await _read_index(client, link, limits, first_bytes) or codecs
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
        codecs=codecs,
    )


async def _read_index(
    client: UpstreamClient, link: Link, limits: Limits, first_bytes: bytes
) -> list[str]:
    """Return the codecs of all tracks of an MP4, from its first bytes and what they lead to."""
    index = Mp4Index()
    index.read(first_bytes)
    for _ in range(_MORE_LOOKS):
        if (first_pos := index.position) is None:
            break
        last_pos = first_pos + PROBE_LENGTH - 1
        ask = Ask(ranges=(IntRange(first_pos, last_pos),), conditions={})
        try:
            async with open_resource(client, link, ask, limits) as resource:
                plan = resource.plan
                if plan.first_pos != first_pos or plan.skip or plan.length is None:
                    break
                index.read(await resource.upstream.peek(min(plan.length, PROBE_LENGTH)))
        except ProxyError:
            break  # what is known is known
    return index.codecs
