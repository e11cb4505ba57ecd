"""The relay: exactly the planned bytes, or a cut that the client sees.

After the head is sent there is no error response any more. If the body cannot be
completed, the connection is aborted, so that no client takes a part for the whole.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable

from aiohttp import HttpVersion11, web

from streamproxy.errors import ProxyError, TooLarge
from streamproxy.relay.presence import ClientGone, outcome_of_cancellation
from streamproxy.relay.transfer import Outcome, Transfer
from streamproxy.upstream.body import PlannedBody

logger = logging.getLogger(__name__)

# l_onoff and l_linger of struct linger: close with a reset, sending nothing more.
_LINGER_RESET = struct.pack("ii", 1, 0)


async def relay_response(
    request: web.Request,
    response: web.StreamResponse,
    body: PlannedBody,
    transfer: Transfer,
    *,
    max_size: int,
) -> None:
    """Send the head of *response* and all of *body*.

    A failure on the way is recorded in *transfer* and shown to the client as a cut.

    :param max_size: bytes that a body of unknown length may have; 0: any.
    :raises ClientGone: the client has left.
    """
    try:
        await _write(response.prepare(request))
        if request.method != "HEAD" and body.is_sent:
            while chunk := await body.read():
                _check_size(transfer.bytes_sent + len(chunk), body, max_size)
                await _write(response.write(chunk))
                transfer.bytes_sent += len(chunk)
        await _write(response.write_eof())
        await _write(_flush(request))
    except ProxyError as exc:
        abort(request)
        is_too_large = isinstance(exc, TooLarge)
        transfer.outcome = Outcome.TOO_LARGE if is_too_large else Outcome.UPSTREAM_FAILED
        transfer.code = exc.code
        logger.warning("Stream cut after %d bytes: %s", transfer.bytes_sent, exc.detail)
    except asyncio.CancelledError:
        transfer.outcome = outcome_of_cancellation(request)
        abort(request)
        raise
    except BaseException:
        abort(request)
        raise
    finally:
        transfer.resumes = body.resumes


def _check_size(size: int, body: PlannedBody, max_size: int) -> None:
    """Cut a body whose length was not known when it began, and which turns out too large."""
    if max_size and size > max_size and not body.is_measured:
        raise TooLarge(f"The file has more than the {max_size} bytes that are forwarded.")


async def _write(writing: Awaitable[object]) -> None:
    """Await a write to the client; its errors are the client's, never the upstream's."""
    try:
        await writing
    except ConnectionError as exc:
        # Its frames hold the chunk, in a circle that only the garbage collector breaks.
        raise ClientGone from exc.with_traceback(None)


async def _flush(request: web.Request) -> None:
    """Wait until the kernel has taken the last bytes, which asyncio keeps for slow clients.

    Only then is the response complete: until then its client may leave or stall, and a
    server that stops would lose them.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    transport.set_write_buffer_limits(high=0)
    await request.writer.drain()
    transport.set_write_buffer_limits()


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
