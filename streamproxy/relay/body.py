"""The relay: exactly the planned bytes, or a cut that the client sees.

After the head is sent there is no error response any more. If the body cannot be
completed, the connection is aborted, so that no client takes a part for the whole.
"""

import asyncio
import logging

from aiohttp import web

from streamproxy.errors import ProxyError, ReadTimeout, TooLarge, UpstreamProtocol
from streamproxy.relay.outlet import Outlet
from streamproxy.relay.presence import outcome_of_cancellation
from streamproxy.relay.pump import PumpLimits, pump
from streamproxy.relay.transfer import Outcome
from streamproxy.upstream.body import PlannedBody

logger = logging.getLogger(__name__)


async def relay_response(
    request: web.Request,
    outlet: Outlet,
    body: PlannedBody,
    *,
    max_size: int,
    limits: PumpLimits,
) -> None:
    """Send the head that *outlet* has, and all of *body*.

    A failure on the way is recorded in the outlet's transfer and shown to the client as a cut.

    :param max_size: bytes that a body of unknown length may have; 0: any.
    :param limits: of what is moved past aiohttp.
    :raises ClientGone: the client has left.
    """
    transfer = outlet.transfer
    try:
        has_body = request.method != "HEAD" and body.is_sent
        whole = body.take_whole() if has_body else None
        await outlet.begin(at_once=whole is not None)
        if whole is not None:
            transfer.relay = "copy"
            await outlet.send(whole)
            whole = None  # a slow client would hold it here too
        elif has_body:
            await _relay_body(outlet, body, max_size, limits)
        await outlet.finish()
    except ProxyError as exc:
        outlet.abort()
        is_too_large = isinstance(exc, TooLarge)
        transfer.outcome = Outcome.TOO_LARGE if is_too_large else Outcome.UPSTREAM_FAILED
        transfer.code = exc.code
        logger.warning("Stream cut after %d bytes: %s", transfer.bytes_sent, exc.detail)
    except asyncio.CancelledError:
        transfer.outcome = outcome_of_cancellation(request)
        outlet.abort()
        raise
    except BaseException:
        outlet.abort()
        raise
    finally:
        transfer.resumes = body.resumes


async def _relay_body(outlet: Outlet, body: PlannedBody, max_size: int, limits: PumpLimits) -> None:
    """Send the body: by aiohttp, but for the rest of it that can be moved past it."""
    outlet.transfer.relay = "copy"
    while chunk := await body.read():
        _check_size(outlet.transfer.bytes_sent + len(chunk), body, max_size)
        await outlet.send(chunk)
        chunk = b""  # a slow client would hold it here, beside what is left to be sent of it
        await outlet.drain()
        try:
            await pump(outlet, body, limits)
        except (ReadTimeout, UpstreamProtocol) as exc:
            await body.recover(exc)


def _check_size(size: int, body: PlannedBody, max_size: int) -> None:
    """Cut a body whose length was not known when it began, and which turns out too large."""
    if max_size and size > max_size and not body.is_measured:
        raise TooLarge(f"The file has more than the {max_size} bytes that are forwarded.")
