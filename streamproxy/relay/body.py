"""The relay: exactly the planned bytes, or a cut that the client sees.

After the head is sent there is no error response any more. If the body cannot be
completed, the connection is aborted, so that no client takes a part for the whole.
"""

import logging
import socket
import struct
from collections.abc import Awaitable

from aiohttp import HttpVersion11, web

from streamproxy.errors import ProxyError, TooLarge, UpstreamProtocol
from streamproxy.protocol.plan import ResponsePlan
from streamproxy.relay.presence import ClientGone
from streamproxy.relay.transfer import Outcome, Transfer
from streamproxy.upstream.client import Upstream

logger = logging.getLogger(__name__)

# l_onoff and l_linger of struct linger: close with a reset, sending nothing more.
_LINGER_RESET = struct.pack("ii", 1, 0)


async def relay_response(
    request: web.Request,
    response: web.StreamResponse,
    upstream: Upstream,
    plan: ResponsePlan,
    transfer: Transfer,
    *,
    max_size: int,
) -> None:
    """Send the head of *response* and the body that *plan* describes.

    A failure on the way is recorded in *transfer* and shown to the client as a cut.

    :param max_size: bytes that a body of unknown length may have; 0: any.
    :raises ClientGone: the client has left.
    """
    try:
        await _write(response.prepare(request))
        if request.method != "HEAD" and plan.has_body:
            await _relay_body(response, upstream, plan, transfer, max_size=max_size)
        await _write(response.write_eof())
    except ProxyError as exc:
        abort(request)
        is_too_large = isinstance(exc, TooLarge)
        transfer.outcome = Outcome.TOO_LARGE if is_too_large else Outcome.UPSTREAM_FAILED
        transfer.code = exc.code
        logger.warning("Stream cut after %d bytes: %s", transfer.bytes_sent, exc.detail)
    except BaseException:
        abort(request)
        raise


async def _relay_body(
    response: web.StreamResponse,
    upstream: Upstream,
    plan: ResponsePlan,
    transfer: Transfer,
    *,
    max_size: int,
) -> None:
    """Skip what the plan skips, then write what it sends, and not one byte more."""
    to_skip, left = plan.skip, plan.length
    while left is None or left > 0:
        chunk = await upstream.read()
        if not chunk:
            if left is None:
                return
            raise UpstreamProtocol("The site sent less than it announced.")
        if to_skip:
            to_skip, chunk = to_skip - min(to_skip, len(chunk)), chunk[to_skip:]
        if left is not None:
            chunk = chunk[:left]
            left -= len(chunk)
        elif max_size and transfer.bytes_sent + len(chunk) > max_size:
            raise TooLarge(f"The file has more than the {max_size} bytes that are forwarded.")
        if chunk:
            await _write(response.write(chunk))
            transfer.bytes_sent += len(chunk)


async def _write(writing: Awaitable[object]) -> None:
    """Await a write to the client; its errors are the client's, never the upstream's."""
    try:
        await writing
    except ConnectionError as exc:
        raise ClientGone from exc


def abort(request: web.Request) -> None:
    """Cut the client's connection so that it sees the cut.

    Where only the end of the connection would end the body (HTTP/1.0), it must be a
    reset: an orderly end would look complete.
    """
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and request.version < HttpVersion11:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    transport.abort()
