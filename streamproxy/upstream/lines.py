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

from streamproxy.upstream.clean import KEEPALIVE, MAX_IDLE
from streamproxy.upstream.small import SmallHead, SmallResponse, read_head
from streamproxy.upstream.timeouts import timeouts_of
from streamproxy.upstream.tls import TlsTransport


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
        self._expected: SmallHead | None = None
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

    async def ask(self, head: bytes, expected: SmallHead | None = None) -> SmallResponse | None:
        """Send a request and return the response; None: aiohttp's protocol reads it.

        :param expected: a head that is known.
        :raises ClientError, OSError: nothing comes in time.
        """
        self._is_asked, self._expected = True, expected
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
        elif not self._is_asked or (self._waiter is not None and self._waiter.cancelled()):
            self.close()  # it would answer the next request, or one whose client has left
        else:
            self._begin(data)

    def _begin(self, data: bytes) -> None:
        """Take what begins with a head."""
        head = read_head(data, self._expected)
        if head is None:
            self._leave()
            self._protocol.data_received(data)
            return
        self._is_asked = False
        self._take(SmallResponse(self, head), memoryview(data)[len(head.raw) :])

    def _take(self, response: SmallResponse, data: bytes | memoryview) -> None:
        surplus = len(data) - response.left
        if surplus > 0:
            data = data[:-surplus]
        response.add(data)
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

    def abort(self) -> None:
        """Cut the connection; whoever waits for something on it is told."""
        self._transport.abort()

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
        self._idle: dict[Line, None] = {}  # all of them, the one that has waited longest first
        self._sweeps = timeouts_of(loop, KEEPALIVE)
        self._is_sweeping = self._is_closed = False

    def take(self, origin: str) -> Line | None:
        """Return a clean connection to *origin*, if there is one."""
        kept = self._kept.get(origin)
        while kept:
            line = kept.pop()
            del self._idle[line]
            if line.is_clean():
                return line
            line.close()
        return None

    def has(self, origin: str) -> bool:
        """Tell whether a connection to *origin* is kept."""
        return bool(self._kept.get(origin))

    def keep(self, line: Line) -> None:
        """Keep a connection for the next request."""
        if self._is_closed:
            line.close()
            return
        line.kept_at = self.loop.time()
        self._kept.setdefault(line.origin, []).append(line)
        self._idle[line] = None
        if len(self._idle) > MAX_IDLE:
            self.drop(next(iter(self._idle)))
        if not self._is_sweeping:
            self._is_sweeping = True
            self._sweeps.start(self._sweep)

    def drop(self, line: Line) -> None:
        """Forget a connection that has ended."""
        line.close()
        if line in self._idle:
            del self._idle[line]
            kept = self._kept[line.origin]
            kept.remove(line)
            if not kept:
                del self._kept[line.origin]

    def drop_all(self, origin: str) -> None:
        """Close the connections to an origin."""
        for line in list(self._kept.get(origin, ())):
            self.drop(line)

    def _sweep(self) -> None:
        """Close what was kept for long enough."""
        oldest = self.loop.time() - KEEPALIVE
        for line in [line for line in self._idle if line.kept_at <= oldest]:
            self.drop(line)
        self._kept = {origin: kept for origin, kept in self._kept.items() if kept}
        self._is_sweeping = bool(self._idle)
        if self._is_sweeping:
            self._sweeps.start(self._sweep)

    def close(self) -> None:
        """Close the connections, and keep no more."""
        self._is_closed = True
        for line in list(self._idle):
            self.drop(line)
