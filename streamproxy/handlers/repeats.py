"""Answer repeats of a request for a part of a file: the same, for other parts of it.

Each part is asked for, held against what was asked, and sent as the first one was. Where the
upstream's head is the last one but for its numbers, byte for byte, so is ours, and neither is
taken apart: what was found about the last one holds.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache

from aiohttp import web

from streamproxy.errors import ProxyError, ReadTimeout
from streamproxy.handlers.heads import stream_fields
from streamproxy.keys import AROUNDS, LANE, PUMP_LIMITS, REQUEST_ID, SETTINGS, STREAMS, TRANSFER
from streamproxy.protocol.heads import Ask, upstream_fields
from streamproxy.protocol.media_types import says_nothing
from streamproxy.protocol.ranges import IntRange
from streamproxy.protocol.repeats import ClosedRange, HeadForm, Values, write_head
from streamproxy.relay.body import relay_response
from streamproxy.relay.lane import Lane, NotRepeatable
from streamproxy.relay.outlet import RepeatOutlet
from streamproxy.relay.presence import ClientGone, client_presence
from streamproxy.relay.streams import Running
from streamproxy.relay.transfer import Outcome, Transfer
from streamproxy.targets.links import Link
from streamproxy.upstream.body import PlannedBody, ResumePolicy
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.resource import Limits, Resource, plan_again
from streamproxy.upstream.response import SmallUpstream
from streamproxy.upstream.small import MAX_SMALL, SmallHead, SmallResponse

logger = logging.getLogger(__name__)

# Seconds after which a request goes through all of the chain again.
_MAX_STAY = 60.0
# The fields of a response that say which part it encloses.
_NUMBERS = frozenset({b"content-length", b"content-range"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and what holds for all parts of it.

    :param link: as the client gave it; *final*: where it led to.
    """

    client: UpstreamClient
    link: Link
    final: Link
    ask: Ask
    limits: Limits
    policy: ResumePolicy


@dataclass(frozen=True, slots=True)
class _Heads:
    """The forms of an upstream's head, and of ours that follows from it."""

    theirs: HeadForm
    ours: HeadForm


class Repeats:
    """Answers repeats of a request for one range.

    :param part: the range; *resource*: what was opened for it; *response*: as it was sent.
    """

    def __init__(
        self,
        request: web.Request,
        asked: Asked,
        part: ClosedRange,
        resource: Resource,
        response: web.StreamResponse,
    ) -> None:
        self._request = request
        self._asked = asked
        shared = request.config_dict  # made anew at each look
        self._arounds, self._streams = shared[AROUNDS], shared[STREAMS]
        self._stall_timeout = shared[SETTINGS].client_stall_timeout
        self._complete_length = resource.plan.complete_length or 0
        own = stream_fields(request, resource)
        # What the signals of the application have added.
        self._added = {k: v for k, v in response.headers.items() if k not in own}
        head = asked.client.head_of(asked.final, upstream_fields(asked.ask, part))
        self._question = HeadForm.of(head, part.values("", ""), {b"range"})
        self._heads: _Heads | None = None

    async def stay(self, lane: Lane) -> None:
        """Answer repeats until something else comes, or nothing, or for long enough."""
        request, streams, loop = self._request, self._streams, self._asked.client.loop
        presence = client_presence(request, loop, stall_timeout=self._stall_timeout)
        running = Running(request, presence, Transfer(), loop)
        ends_at = loop.time() + _MAX_STAY
        streams.lanes.add(lane)
        try:
            with presence:
                while not streams.is_draining and loop.time() < ends_at:
                    part = await lane.next()
                    if part is None:
                        break
                    await self._answer(part, running)
                    lane.answered()
        except NotRepeatable as exc:
            lane.failure = exc.failure
        except ClientGone:
            _cut(request)
        except Exception:
            logger.exception("Unexpected error in %s %s", request.method, request.path)
            _cut(request)  # nobody knows what was sent
        finally:
            streams.lanes.discard(lane)

    async def _answer(self, part: ClosedRange, running: Running) -> None:
        """Answer a repeat, with all around it that goes on around any request.

        :raises NotRepeatable: it is to be answered as any request.
        """
        request, streams, loop = self._request, self._streams, self._asked.client.loop
        if self._question is None or not self._is_here(part):
            raise NotRepeatable
        is_sent = False
        try:
            with ExitStack() as stack:
                for around in self._arounds:
                    stack.enter_context(around(request))
                transfer = request.get(TRANSFER) or Transfer()
                transfer.part = str(part)
                running.restart(transfer, (part,), loop.time())
                streams.enter_again(running, loop)
                try:
                    await self._send(part, self._question, running)
                    is_sent = True
                except asyncio.CancelledError:
                    if (ended := running.presence.outcome) is not None:
                        transfer.outcome = ended
                    raise
                finally:
                    streams.leave(running)
        except ProxyError as exc:
            if is_sent:
                raise
            raise NotRepeatable(exc if isinstance(exc, ReadTimeout) else None) from exc

    async def _send(self, part: ClosedRange, form: HeadForm, running: Running) -> None:
        asked, heads = self._asked, self._heads
        values = part.values(self._request[REQUEST_ID], _date_of(int(time.time())))
        expected = None
        if heads is not None:
            expected = SmallHead(heads.theirs.fill(values), part.length)
        question = form.fill(values)
        response = await asked.client.send_again(asked.link, asked.final, question, expected)
        if response is None:
            raise NotRepeatable
        if heads is not None and response.head is expected and not response.left:
            # Byte for byte what it has to be, and all here.
            outlet = RepeatOutlet(self._request, heads.ours.fill(values), running.transfer)
            await outlet.send_whole(response.take_pieces())
            return
        resource = await self._plan(part, response)
        if resource is None:
            asked.client.leave(asked.final, question, response)
            raise NotRepeatable
        head = await self._relay(resource, running)
        if response.head is not expected and _is_alike_for_all(resource):
            self._heads = _forms_of(response.head.raw, head, values)

    def _is_here(self, part: ClosedRange) -> bool:
        """Tell whether all of the part exists, as far as is known, and is small."""
        return part.last_pos < self._complete_length and part.length <= MAX_SMALL

    async def _plan(self, part: ClosedRange, response: SmallResponse) -> Resource | None:
        """Return what a part is sent by whose head has to be looked at, or that is not all here.

        None: it is to be answered as any request.
        """
        ask = replace(self._asked.ask, ranges=(part,))
        upstream = SmallUpstream(response, self._asked.final)
        try:
            resource = await plan_again(upstream, ask, self._asked.limits)
        except BaseException:
            response.release()
            raise
        return resource if resource is not None and resource.plan.status == 206 else None

    async def _relay(self, resource: Resource, running: Running) -> bytes:
        """Send a part, and return the head that it was sent with."""
        asked, request = self._asked, self._request
        own = {"Date": _date_of(int(time.time())), "X-Request-Id": request[REQUEST_ID]}
        fields = stream_fields(request, resource) | self._added | own
        head = write_head("HTTP/1.1 206 Partial Content", fields)
        running.body = body = PlannedBody(asked.client, asked.link, resource, asked.policy)
        with closing(body):
            await relay_response(
                request,
                RepeatOutlet(request, head, running.transfer),
                body,
                max_size=asked.limits.max_size,
                limits=request.config_dict[PUMP_LIMITS],
            )
        return head


def _cut(request: web.Request) -> None:
    """Cut the client's connection, unless it has gone."""
    if request.transport is not None:
        request.transport.abort()


@lru_cache(maxsize=1)
def _date_of(second: int) -> str:
    return formatdate(second, usegmt=True)


def _is_alike_for_all(resource: Resource) -> bool:
    """Tell whether what was found about a part holds for all of them.

    Where the declared type says nothing, that of the first bytes is looked for, in parts that
    begin with them.
    """
    declared = resource.upstream.head.description.content_type
    return resource.plan.ranges_seen and not says_nothing(declared)


def _forms_of(theirs: bytes, ours: bytes, values: Values) -> _Heads | None:
    """Return the forms of two heads that say these values; None: they say them otherwise."""
    their_form = HeadForm.of(theirs, values, _NUMBERS)
    our_form = HeadForm.of(ours, values, _NUMBERS | {b"date", b"x-request-id"})
    if their_form is None or our_form is None:
        return None
    return _Heads(their_form, our_form)


def offer_repeats(
    request: web.Request,
    asked: Asked,
    resource: Resource,
    response: web.StreamResponse,
    transfer: Transfer,
) -> None:
    """Offer to answer repeats of a request, where parts as small as its one can be."""
    ranges, plan = asked.ask.ranges or (), resource.plan
    if (
        LANE in request
        and isinstance(resource.upstream, SmallUpstream)
        and plan.ranges_seen
        and plan.complete_length is not None
        and transfer.outcome is Outcome.COMPLETE
        and len(ranges) == 1
        and isinstance(ranges[0], IntRange)
        and ranges[0].last_pos is not None
    ):
        part = ClosedRange(ranges[0].first_pos, ranges[0].last_pos)

        def stay(lane: Lane) -> Awaitable[None]:
            return Repeats(request, asked, part, resource, response).stay(lane)

        request[LANE].stay = stay  # made ready only where a repeat can come
