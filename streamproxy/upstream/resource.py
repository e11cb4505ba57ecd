"""Open the representation behind a link and decide how to answer with it.

This is the one way to a resource: streaming and validating take it alike, so that what
the one says plays, the other plays.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from streamproxy.errors import (
    ConnectionRefused,
    KeptCut,
    ProxyError,
    ReadTimeout,
    UpstreamBusy,
    UpstreamCut,
    UpstreamProtocol,
)
from streamproxy.protocol.filenames import find_filename
from streamproxy.protocol.heads import Ask, upstream_fields
from streamproxy.protocol.media_types import SNIFF_LENGTH, decide_media_type, says_nothing
from streamproxy.protocol.plan import ResponsePlan, plan_response, should_ask_again
from streamproxy.protocol.resume import (
    retry_after_of,
    should_retry,
)
from streamproxy.targets.links import Link
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.failures import wait_s
from streamproxy.upstream.response import Upstream
from streamproxy.upstream.timeouts import time_limit

# (declared type, file name, first bytes where seen) -> the type to send; or raises NotMedia.
DecideType = Callable[[str | None, str | None, bytes | None], str]

logger = logging.getLogger(__name__)

# Bytes; a body no longer than this is looked at whole, so that its connection can be kept.
_MAX_LOOK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much, and how long.

    :param max_skip: bytes to discard at most, to cut a range out of a whole body.
    :param max_size: the largest complete length, in bytes; 0: any.
    :param head_timeout: seconds until it is known how to answer, all redirects and all
        retries together.
    :param retry_attempts: how often a request is sent again that brought no head, or the
        head of a busy server.
    """

    max_skip: int
    max_size: int
    head_timeout: float
    retry_attempts: int


@dataclass(frozen=True, slots=True)
class Resource:
    """An open representation, and the plan to answer with it.

    :param media_type: the Content-Type to send; None for a 304, which has no content.
    :param filename: the name of the file, where one is known.
    :param first_bytes: what the representation begins with; None where that was not seen.
    """

    upstream: Upstream
    plan: ResponsePlan
    media_type: str | None
    filename: str | None
    first_bytes: bytes | None


_Identify = Callable[[Upstream, ResponsePlan], Awaitable[Resource]]


class open_resource:  # noqa: N801  # it reads as what it does
    """Async context manager: open what a link leads to, for its time.

    :param look: how many first bytes to look at, in any case; else only those that a type
        that says nothing makes necessary.
    :param decide: says which type is wanted, and as what to send it.
    :raises ProxyError: policy refuses, the site fails, or what it sends is no media.
    """

    def __init__(
        self,
        client: UpstreamClient,
        link: Link,
        ask: Ask,
        limits: Limits,
        *,
        look: int = 0,
        decide: DecideType = decide_media_type,
    ) -> None:
        self._asked = client, link, ask, limits, partial(_identify, look=look, decide=decide)
        self._head_timeout = limits.head_timeout

    async def __aenter__(self) -> Resource:
        try:
            with time_limit(self._asked[0].loop, self._head_timeout):
                resource = await _open_retrying(*self._asked)
        except TimeoutError as exc:
            raise ReadTimeout("The site did not begin to send the file in time.") from exc
        self._upstream = resource.upstream
        return resource

    async def __aexit__(self, *_: object) -> None:
        self._upstream.release()


async def _open_retrying(
    client: UpstreamClient, link: Link, ask: Ask, limits: Limits, identify: _Identify
) -> Resource:
    """Open the link; where nothing came of it, at most retry_attempts times more."""
    anew = False
    for attempt in range(1, limits.retry_attempts + 1):
        try:
            return await _open_anew(client, link, ask, limits, identify, anew=anew)
        except (UpstreamCut, UpstreamBusy, ConnectionRefused) as exc:
            if isinstance(exc, ConnectionRefused) and not anew:
                raise
            logger.info("Asking again (attempt %d): %s", attempt, exc.detail)
            client.observer.retried()
            wait, anew = wait_s(exc, attempt), isinstance(exc, KeptCut)
        if wait:
            await asyncio.sleep(wait)
    return await _open_anew(client, link, ask, limits, identify, anew=anew)


async def _open_anew(
    client: UpstreamClient, link: Link, ask: Ask, limits: Limits, identify: _Identify, *, anew: bool
) -> Resource:
    """Open the link, a second time where remembered redirects may be why it failed."""
    try:
        return await _open_once(client, link, ask, limits, identify, anew=anew)
    except ProxyError:
        if not client.forget(link):
            raise
    return await _open_once(client, link, ask, limits, identify, anew=anew)


async def _open_once(
    client: UpstreamClient, link: Link, ask: Ask, limits: Limits, identify: _Identify, *, anew: bool
) -> Resource:
    """Open the link, a second time without the range where the site cannot do ranges."""
    sent = ask.range_to_forward
    upstream = await client.open(link, upstream_fields(ask, sent), anew=anew)
    if should_ask_again(ask, upstream.head, sent):
        upstream.release()
        sent = None
        upstream = await client.open(link, upstream_fields(ask, sent), anew=anew)
    try:
        if should_retry(upstream.head):
            raise UpstreamBusy(upstream.head.status, retry_after=retry_after_of(upstream.head))
        plan = plan_response(
            ask, upstream.head, sent=sent, max_skip=limits.max_skip, max_size=limits.max_size
        )
        return await identify(upstream, plan)
    except UpstreamProtocol:
        upstream.reject()
        raise
    except BaseException:
        upstream.release()
        raise


async def plan_again(upstream: Upstream, ask: Ask, limits: Limits) -> Resource | None:
    """Return another part of what was opened; None: it has to be opened as any link.

    :param ask: for one range, which the upstream was asked for.
    """
    sent = ask.range_to_forward
    if should_ask_again(ask, upstream.head, sent) or should_retry(upstream.head):
        return None
    try:
        plan = plan_response(
            ask, upstream.head, sent=sent, max_skip=limits.max_skip, max_size=limits.max_size
        )
        return await _identify(upstream, plan, look=0, decide=decide_media_type)
    except ProxyError:
        return None


async def _identify(
    upstream: Upstream, plan: ResponsePlan, *, look: int, decide: DecideType
) -> Resource:
    """Find the type and the name of what the plan will send."""
    said = upstream.head.description
    filename = find_filename(said.content_disposition, upstream.link.path)
    if plan.status == 304:
        return Resource(upstream, plan, None, filename, None)
    declared = said.content_type
    # The body of an upstream that sends the whole begins at its first byte, also where
    # the plan then skips to another one.
    begins_at_start = plan.first_pos == plan.skip and upstream.head.content_coding is None
    first_bytes = None
    if begins_at_start and (look or says_nothing(declared)):
        length = _look_length(upstream, look) if look else SNIFF_LENGTH
        first_bytes = await _peek(upstream, length)
        if not first_bytes and plan.length is None:
            raise UpstreamProtocol("The site sent no file, and did not say that it has none.")
    media_type = decide(declared, filename, first_bytes)
    return Resource(upstream, plan, media_type, filename, first_bytes)


async def _peek(upstream: Upstream, length: int) -> bytes:
    """Look at the first bytes; that they do not come is as if no head had come."""
    try:
        return await upstream.peek(length)
    except UpstreamProtocol as exc:
        raise UpstreamCut(exc.detail) from exc


def _look_length(upstream: Upstream, look: int) -> int:
    complete = upstream.head.content_length
    return look if complete is None or complete > _MAX_LOOK else complete
