"""The client's side of a response: every way to write to it, and to cut it."""

import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from aiohttp import ClientConnectionResetError, HttpVersion11, web
from aiohttp.http import StreamWriter

from streamproxy.relay.presence import ClientGone
from streamproxy.relay.transfer import Transfer
from streamproxy.upstream.timeouts import Timeouts, timeouts_of

# l_onoff and l_linger of struct linger: close with a reset, sending nothing more.
_LINGER_RESET = struct.pack("ii", 1, 0)
# As Windows cannot: to write what lies in several places.
_CAN_GATHER = hasattr(os, "writev")
# Seconds that a head waits for bytes to go with.
_MAX_HEAD_DELAY = 0.1


class StreamedResponse(web.StreamResponse):
    """A response whose head goes out with the first bytes of its body.

    Each packet wakes up its receiver: measured, a packet less is an eighth of the CPU of a
    small range.
    """

    _send_headers_immediately = False  # aiohttp's own switch, for responses of one piece


class Outlet:
    """Writes a response; what the client's connection breaks with is the client's leaving.

    All of its coroutines raise ClientGone, without the traceback of its cause: whose frames
    hold the chunk, in a circle that only the garbage collector breaks.
    """

    def __init__(self, request: web.Request, transfer: Transfer) -> None:
        self._request = request
        self.transfer = transfer
        self._delay: Timeouts | None = None

    async def _prepare(self) -> None:
        """Make the head ready to be sent."""
        raise NotImplementedError

    def _write_head(self) -> None:
        """Hand the head to the transport, unless that has it."""
        raise NotImplementedError

    async def _write(self, chunk: bytes) -> None:
        """Hand bytes of the body to the transport, and before them the head."""
        raise NotImplementedError

    async def _end(self) -> None:
        """End the body."""
        raise NotImplementedError

    async def begin(self, *, at_once: bool) -> None:
        """Send the head, with the first bytes if those come soon.

        :param at_once: whether they do: nothing is awaited before they are sent.
        """
        try:
            await self._prepare()
        except ConnectionError as exc:
            raise ClientGone from exc.with_traceback(None)
        if not at_once:
            self._delay = timeouts_of(asyncio.get_running_loop(), _MAX_HEAD_DELAY)
            self._delay.start(self._send_head)

    def _send_head(self) -> None:
        """Send the head, if it was not sent."""
        if self._delay is not None:
            self._delay.stop(self._send_head)
        with suppress(ConnectionError):  # whoever writes next sees it
            self._write_head()

    async def send(self, chunk: bytes) -> None:
        """Send bytes of the body; most of them may still wait in this process."""
        try:
            await self._write(chunk)
        except ConnectionError as exc:
            raise ClientGone from exc.with_traceback(None)
        self.transfer.bytes_sent += len(chunk)

    async def drain(self) -> None:
        """Wait while the client is slow: until few bytes wait in this process."""
        try:
            await self._request.writer.drain()
        except ConnectionError as exc:
            raise ClientGone from exc.with_traceback(None)

    async def flush(self) -> None:
        """Wait until the kernel has taken all bytes, which asyncio keeps for slow clients."""
        transport = self._request.transport
        if transport is None:
            raise ClientGone
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(high=0)
            await self.drain()
            transport.set_write_buffer_limits()

    async def finish(self) -> None:
        """End the body, and wait until it has left this process.

        Only then is the response complete: until then its client may leave or stall, and a
        server that stops would lose the last bytes.
        """
        try:
            await self._end()
        except ConnectionError as exc:
            raise ClientGone from exc.with_traceback(None)
        if self._delay is not None:
            self._delay.stop(self._send_head)
        await self.flush()

    @property
    def plain_socket(self) -> socket.socket | None:
        """The client's socket, where bytes go out on it as they are."""
        transport = self._request.transport
        if transport is None or transport.get_extra_info("sslcontext") is not None:
            return None
        found: socket.socket | None = transport.get_extra_info("socket")
        return found

    def abort(self) -> None:
        """Cut the client's connection so that it sees the cut.

        Where only the end of the connection would end the body (HTTP/1.0), it must be a
        reset: an orderly end would look complete.
        """
        self._send_head()
        transport = self._request.transport
        if transport is None:
            return
        sock = transport.get_extra_info("socket")
        if sock is not None and self._request.version < HttpVersion11:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()


class ResponseOutlet(Outlet):
    """Writes a response of aiohttp's."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, transfer: Transfer
    ) -> None:
        super().__init__(request, transfer)
        self._response = response

    async def _prepare(self) -> None:
        await self._response.prepare(self._request)

    def _write_head(self) -> None:
        self._request.writer.send_headers()

    async def _write(self, chunk: bytes) -> None:
        await cast("StreamWriter", self._request.writer).write(chunk, drain=False)

    async def _end(self) -> None:
        await self._response.write_eof()


class RepeatOutlet(Outlet):
    """Writes another response to a request, after the one that aiohttp knows of.

    :param head: as it is sent; it says the length of the body.
    """

    def __init__(self, request: web.Request, head: bytes, transfer: Transfer) -> None:
        super().__init__(request, transfer)
        self._head = head

    async def _prepare(self) -> None:
        pass

    def _write_head(self) -> None:
        if self._head:
            self._transport().write(self._take_head())

    async def _write(self, chunk: bytes) -> None:
        self._transport().writelines((self._take_head(), chunk))

    async def _end(self) -> None:
        self._write_head()

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _transport(self) -> asyncio.Transport:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("The client has left.")
        return transport

    async def send_whole(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Send the head and all of the body, and wait until both have left this process."""
        self.transfer.relay = "copy"
        try:
            transport = self._transport()
            left = _write_at_once(transport, self.plain_socket, [self._take_head(), *pieces])
        except ConnectionError as exc:
            raise ClientGone from exc.with_traceback(None)
        self.transfer.bytes_sent += sum(map(len, pieces))
        if left:
            transport.write(left)
            await self.flush()


def _write_at_once(
    transport: asyncio.Transport, plain: socket.socket | None, pieces: Sequence[bytes | memoryview]
) -> bytes:
    """Let the kernel take pieces from where they are, and return what it did not take."""
    sent = 0
    if plain is not None and _CAN_GATHER and not transport.get_write_buffer_size():
        with suppress(OSError):  # what else is wrong the transport finds out
            sent = os.writev(plain.fileno(), pieces)
    return b"" if sent == sum(map(len, pieces)) else b"".join(pieces)[sent:]
