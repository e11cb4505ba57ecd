"""Connections on which small responses are read, by a protocol of our own.

Each stays acquired from the connector, whose pool it does not go back to while it is used
for these; so it is kept here, by the same rules.
"""

import asyncio
import select
from collections.abc import Callable

from aiohttp import (
    ClientConnectionResetError,
    ClientOSError,
    ClientPayloadError,
    SocketTimeoutError,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy

from streamproxy.upstream.clean import KEEPALIVE
from streamproxy.upstream.small import HEAD_END, MAX_HEAD, parse_small
from streamproxy.upstream.timeouts import timeouts_of
from streamproxy.upstream.tls import TlsTransport


class SmallResponse:
    """A response that is read here.

    :param left: bytes of the body that are still to come.
    """

    __slots__ = ("_line", "error", "headers", "left", "received", "status")

    def __init__(
        self, line: "Line", status: int, headers: CIMultiDictProxy[str], left: int
    ) -> None:
        self._line = line
        self.status = status
        self.headers = headers
        self.left = left
        self.received = b""
        self.error: Exception | None = None

    async def read(self) -> bytes:
        """Return what has come of the body; none at its end.

        :raises ClientError, OSError: nothing more comes.
        """
        while not self.received and self.left:
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """Return what has come of the body, and hold it no more."""
        received, self.received = self.received, b""
        return received

    async def peek(self, length: int) -> bytes:
        """Return the first bytes that were not read yet, fewer where the body is shorter."""
        while len(self.received) < length and self.left:
            await self._wait()
        return self.received[:length]

    async def _wait(self) -> None:
        if self.error is not None:
            raise self.error
        await self._line.wait()

    def release(self) -> None:
        """Close the connection, unless all of the body has come: then it is kept already."""
        if self.left:
            self._line.close()


class Line(asyncio.Protocol):
    """A connection on which responses are asked for, one after the other.

    It stands in the place of aiohttp's protocol, and tells that protocol what becomes of
    the connection. A response that is not read here is left to it, with the connection.

    :param origin: of what is asked for on it.
    :raises ClientConnectionResetError: it has ended already.
    """

    def __init__(self, connection: Connection, origin: str, lines: "Lines") -> None:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise ClientConnectionResetError("The connection was closed.")
        self.connection = connection
        self.origin = origin
        self.kept_at = 0.0
        self._lines = lines
        self._loop = lines.loop
        self._timeouts = lines.timeouts
        self._protocol = protocol
        self._transport = transport
        self._waiter: asyncio.Future[SmallResponse | None] | None = None
        self._is_asked = False  # and no head has come
        self._response: SmallResponse | None = None  # of which more is to come
        self._poll: Callable[[int], object] | None = None
        if transport.get_extra_info("sslcontext") is None and hasattr(select, "poll"):
            poller = select.poll()
            poller.register(transport.get_extra_info("socket"), select.POLLIN)
            self._poll = poller.poll
        transport.set_protocol(self)

    def is_clean(self) -> bool:
        """Tell whether the connection stands, and nothing waits on it to be read."""
        if isinstance(self._transport, TlsTransport):
            self._transport.look()  # bytes of TLS need not be content: a session ticket, say
        return not self._transport.is_closing() and (self._poll is None or not self._poll(0))

    async def ask(self, head: bytes) -> SmallResponse | None:
        """Send a request and return the response; None: aiohttp's protocol reads it.

        :raises ClientError, OSError: nothing comes in time.
        """
        self._is_asked = True
        self._transport.write(head)
        if self._timeouts is not None:
            self._timeouts.start(self._end_late)
        answered = self.wait()
        try:
            return await answered
        except BaseException:
            # Whoever asked may be gone just when all of the response has come: then the
            # connection is kept already, and may be somebody else's.
            has_come = answered.done() and not (answered.cancelled() or answered.exception())
            response = answered.result() if has_come else None
            (self.close if response is None else response.release)()
            raise

    def wait(self) -> "asyncio.Future[SmallResponse | None]":
        """Return what is done when something has come, with the response that it is of.

        It raises ClientError or OSError when nothing comes.
        """
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self, response: SmallResponse | None) -> None:
        waiter, self._waiter = self._waiter, None  # a kept connection holds no response
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._response is not None:
            self._take(self._response, data)
        elif not self._is_asked:
            self.close()  # it would answer the next request
        else:
            end = data.find(HEAD_END, 0, MAX_HEAD)
            parsed = None if end < 0 else parse_small(data[:end])
            if parsed is None:
                self._leave()
                self._protocol.data_received(data)
                return
            status, fields, length = parsed
            self._is_asked = False
            response = SmallResponse(self, status, CIMultiDictProxy(fields), length)
            self._take(response, data[end + len(HEAD_END) :])

    def _take(self, response: SmallResponse, data: bytes) -> None:
        surplus = len(data) - response.left
        if surplus > 0:
            data = data[:-surplus]
        response.received = response.received + data if response.received else data
        response.left -= len(data)
        self._response = response if response.left else None
        if self._timeouts is not None:
            (self._timeouts.start if response.left else self._timeouts.stop)(self._end_late)
        if surplus > 0:
            self.close()
        elif not response.left:
            self._lines.keep(self)
        self._wake(response)

    def _leave(self) -> None:
        """Leave the response to aiohttp's protocol."""
        self._is_asked = False
        if self._timeouts is not None:
            self._timeouts.stop(self._end_late)
        self._transport.set_protocol(self._protocol)
        self._lines.prepare(self._protocol)
        self._wake(None)

    def eof_received(self) -> None:
        """Leave an end before the head to aiohttp."""
        if self._is_asked:
            self._leave()
            self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody that the connection is gone."""
        if self._is_asked:
            self._leave()
        elif self._response is not None:
            closed = ClientPayloadError("The connection was closed in the body.")
            self._end(ClientOSError(*exc.args) if isinstance(exc, OSError) else closed)
        else:
            self._lines.drop(self)
        self._protocol.connection_lost(exc)

    def _end_late(self) -> None:
        self._end(SocketTimeoutError("Nothing came in time."))

    def _end(self, error: Exception) -> None:
        if self._timeouts is not None:
            self._timeouts.stop(self._end_late)
        if self._response is not None:
            self._response.error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def pause_writing(self) -> None:
        """Tell aiohttp's protocol."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell aiohttp's protocol."""
        self._protocol.resume_writing()

    def close(self) -> None:
        """Close the connection; nothing is waited for on it any more."""
        self._is_asked, self._response = False, None
        if self._timeouts is not None:
            self._timeouts.stop(self._end_late)
        self.connection.close()


class Lines:
    """The connections of one session that are kept here, by origin.

    :param read_timeout: seconds to wait for the next bytes; None: for ever.
    :param prepare: makes aiohttp's protocol ready to read a response.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        read_timeout: float | None,
        prepare: Callable[[ResponseHandler], None],
    ) -> None:
        self.loop = loop
        self.timeouts = timeouts_of(loop, read_timeout) if read_timeout else None
        self.prepare = prepare
        self._kept: dict[str, list[Line]] = {}  # the last one used last
        self._sweeps = timeouts_of(loop, KEEPALIVE)
        self._is_sweeping = self._is_closed = False

    def take(self, origin: str) -> Line | None:
        """Return a clean connection to *origin*, if there is one."""
        kept = self._kept.get(origin)
        while kept:
            line = kept.pop()
            if line.is_clean():
                return line
            line.close()
        return None

    def keep(self, line: Line) -> None:
        """Keep a connection for the next request."""
        if self._is_closed:
            line.close()
            return
        line.kept_at = self.loop.time()
        self._kept.setdefault(line.origin, []).append(line)
        if not self._is_sweeping:
            self._is_sweeping = True
            self._sweeps.start(self._sweep)

    def drop(self, line: Line) -> None:
        """Forget a connection that has ended."""
        line.close()
        kept = self._kept.get(line.origin, [])
        if line in kept:
            kept.remove(line)

    def _sweep(self) -> None:
        """Close what was kept for long enough."""
        oldest = self.loop.time() - KEEPALIVE
        for origin, kept in list(self._kept.items()):
            for line in [line for line in kept if line.kept_at <= oldest]:
                kept.remove(line)
                line.close()
            if not kept:
                del self._kept[origin]
        self._is_sweeping = bool(self._kept)
        if self._is_sweeping:
            self._sweeps.start(self._sweep)

    def close(self) -> None:
        """Close the connections, and keep no more."""
        self._is_closed = True
        for kept in self._kept.values():
            for line in kept:
                line.close()
        self._kept.clear()
