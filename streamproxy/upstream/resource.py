"""Open the representation behind a link and decide how to answer with it.

This is the one way to a resource: streaming and validating take it alike, so that what
the one says plays, the other plays.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from streamproxy.errors import ReadTimeout
from streamproxy.protocol.fields import field_value
from streamproxy.protocol.filenames import find_filename
from streamproxy.protocol.heads import Ask, upstream_fields
from streamproxy.protocol.media_types import SNIFF_LENGTH, decide_media_type, says_nothing
from streamproxy.protocol.plan import ResponsePlan, plan_response, should_ask_again
from streamproxy.targets.links import Link
from streamproxy.upstream.client import Upstream, UpstreamClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much, and how long.

    :param max_skip: bytes to discard at most, to cut a range out of a whole body.
    :param max_size: the largest complete length, in bytes; 0: any.
    :param head_timeout: seconds until it is known how to answer, all redirects together.
    """

    max_skip: int
    max_size: int
    head_timeout: float


@dataclass(frozen=True, slots=True)
class Resource:
    """An open representation, and the plan to answer with it.

    :param media_type: the Content-Type to send; None for a 304, which has no content.
    :param filename: the name of the file, where one is known.
    """

    upstream: Upstream
    plan: ResponsePlan
    media_type: str | None
    filename: str | None


@asynccontextmanager
async def open_resource(
    client: UpstreamClient, link: Link, ask: Ask, limits: Limits, *, always_peek: bool = False
) -> AsyncIterator[Resource]:
    """Open what *link* leads to, for the time of the context.

    :param always_peek: look at the first bytes also where the declared type is believed.
    :raises ProxyError: policy refuses, the site fails, or what it sends is no media.
    """
    try:
        async with asyncio.timeout(limits.head_timeout):
            upstream, plan = await _open_planned(client, link, ask, limits)
            try:
                resource = await _identify(upstream, plan, always_peek=always_peek)
            except BaseException:
                upstream.release()
                raise
    except TimeoutError as exc:
        raise ReadTimeout("The site did not begin to send the file in time.") from exc
    async with upstream:
        yield resource


async def _open_planned(
    client: UpstreamClient, link: Link, ask: Ask, limits: Limits
) -> tuple[Upstream, ResponsePlan]:
    """Open the link, a second time without the range where the site cannot do ranges."""
    sent = ask.range_to_forward
    upstream = await client.open(link, upstream_fields(ask, sent))
    if should_ask_again(ask, upstream.head, sent):
        upstream.release()
        sent = None
        upstream = await client.open(link, upstream_fields(ask, sent))
    try:
        plan = plan_response(
            ask, upstream.head, sent=sent, max_skip=limits.max_skip, max_size=limits.max_size
        )
    except BaseException:
        upstream.release()
        raise
    return upstream, plan


async def _identify(upstream: Upstream, plan: ResponsePlan, *, always_peek: bool) -> Resource:
    """Find the type and the name of what the plan will send."""
    fields = upstream.head.fields
    filename = find_filename(field_value(fields, "Content-Disposition"), upstream.link.path)
    if plan.status == 304:
        return Resource(upstream, plan, None, filename)
    declared = field_value(fields, "Content-Type")
    # The body of an upstream that sends the whole begins at its first byte, also where
    # the plan then skips to another one.
    begins_at_start = plan.first_pos == plan.skip and upstream.head.content_coding is None
    first_bytes = None
    if begins_at_start and (always_peek or says_nothing(declared)):
        first_bytes = await upstream.peek(SNIFF_LENGTH)
    return Resource(upstream, plan, decide_media_type(declared, filename, first_bytes), filename)
