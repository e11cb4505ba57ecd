"""One response of an upstream: its head, and its body in whatever way it is read."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import ClientError, ClientOSError, ClientPayloadError, ClientResponse

from streamproxy.errors import UpstreamCut
from streamproxy.protocol.heads import UpstreamHead
from streamproxy.targets.links import Link
from streamproxy.upstream.exchange import RECEIVED_LENGTH, Response
from streamproxy.upstream.failures import translate
from streamproxy.upstream.small import SmallResponse
from streamproxy.upstream.tls import TlsTransport


class Upstream:
    """An upstream's response whose head has arrived: read its body, then release it.

    :param link: where the response came from, after all redirects.
    """

    def __init__(self, response: ClientResponse | Response, link: Link, chunk_size: int) -> None:
        self.head = UpstreamHead(response.status, response.headers, time.time())
        self.link = link
        self._response = response
        self._chunk_size = chunk_size
        self._peeked = b""
        self._missed = 0  # bytes of the body that come past aiohttp; of them all, its end
        connection = response.connection
        self._reason: BaseException | None = None
        if isinstance(response, Response):
            self._protocol, self._reason = response.protocol, response.reason
        else:
            self._protocol = None if connection is None else connection.protocol
        self._closed = None if self._protocol is None else self._protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._end_reading)
            # Stays when this response is released, and once however many follow on it.
            self._closed.remove_done_callback(_look_at_exception)
            self._closed.add_done_callback(_look_at_exception)
        transport = None if connection is None else connection.transport
        # Where TLS is asyncio's.
        self._tls: ssl.SSLObject | None = (
            None if transport is None else transport.get_extra_info("ssl_object")
        )

    async def read(self) -> bytes:
        """Return the next bytes of the body, at most chunk_size; none at its proper end.

        :raises ReadTimeout: nothing came within read_timeout.
        :raises UpstreamProtocol: the body ended before its end, or its framing broke.
        """
        if self._peeked:
            chunk, self._peeked = self._peeked, b""
            return chunk
        if self._chunk_size < RECEIVED_LENGTH or self.head.transfer_coding is not None:
            return await self._receive(self._response.content.read(self._chunk_size))
        return await self._receive(self._read_as_received())

    def take_whole(self, length: int) -> bytes | None:  # noqa: ARG002  # where it is small
        """Return the body, where it has that length and is here already."""
        return None

    async def _read_as_received(self) -> bytes:
        """Return the bytes of one look into the socket.

        To ask for as many would let aiohttp hold twice as many back (StreamReader.read).
        """
        return (await self._response.content.readchunk())[0]

    @property
    def can_detach(self) -> bool:
        """Whether what is left of the body comes as it is, on a connection of its own."""
        return (
            self._tls is None
            and not self._peeked
            and self._protocol is not None
            and self._protocol.transport is not None
            and self.head.transfer_coding is None
            and self.head.content_length is not None
            and not self._response.content.is_eof()
        )

    def fileno(self) -> int:
        """Return the descriptor of the connection, which stays the transport's."""
        number: int = self._transport().get_extra_info("socket").fileno()
        return number

    @property
    def receiver(self) -> Callable[[memoryview], int] | None:
        """What receives from the connection, as TlsTransport does; None: its socket does."""
        transport = self._transport()
        return transport.receive if isinstance(transport, TlsTransport) else None

    def detach(self) -> bytes:
        """Stop reading, so that somebody else can read from the connection.

        Only where can_detach. Nothing may be awaited between the last look into the buffer
        and the pause: what aiohttp holds back of a full buffer it adds as soon as there is
        room. Unless attach is called, the connection is closed at release.

        :returns: what was received already.
        :raises ProxyError: as read.
        """
        content = self._response.content
        received = []
        try:
            while chunk := content.read_nowait():
                received.append(chunk)
        except (ClientError, OSError) as exc:
            raise translate(exc) from exc
        self._missed = (self.head.content_length or 0) - content.total_bytes
        if not content.is_eof() and self._protocol is not None:
            self._protocol.pause_reading()
        return b"".join(received)

    def attach(self, length: int) -> None:
        """Go on where somebody else has read *length* bytes: at the end of the body, or nowhere.

        The parser has missed the end. A new one takes its place, as it does for each
        request, and what comes unasked is noticed as on any kept connection.
        """
        self._missed -= length
        protocol, content = self._protocol, self._response.content
        if self._missed or protocol is None or protocol.transport is None:
            return
        protocol.set_response_params()
        content.feed_eof()

    def _transport(self) -> asyncio.Transport:
        transport = None if self._protocol is None else self._protocol.transport
        if transport is None:
            raise UpstreamCut("The site cut the connection.")
        return transport

    async def peek(self, length: int) -> bytes:
        """Return the first *length* bytes of the body, fewer where it is shorter.

        They stay to be read; no more than they are read from the connection.

        :raises ProxyError: as read.
        """
        while (missing := length - len(self._peeked)) > 0:
            chunk = await self._receive(self._response.content.read(missing))
            if not chunk:
                break
            self._peeked += chunk
        return self._peeked

    async def _receive(self, reading: Awaitable[bytes]) -> bytes:
        try:
            chunk = await reading
        except (ClientError, OSError) as exc:  # a TimeoutError is an OSError
            raise translate(exc) from exc
        if not chunk:
            self._check_end()
        return chunk

    def _check_end(self) -> None:
        """Refuse a cut as the end of a body that only the connection's end delimits.

        aiohttp ends such a body the same way, however the connection ended. Over TLS an
        orderly end is announced (close_notify); without it, somebody may have cut it.

        Source: RFC 9112, section 9.8.
        """
        if not self.head.is_close_delimited or self._protocol is None:
            return
        reason = self._reason or self._protocol.exception()
        if isinstance(reason, ClientOSError):
            raise translate(reason) from reason
        if self._tls is not None:
            try:
                self._tls.read(1)
            except ssl.SSLZeroReturnError:
                return  # OpenSSL has seen the close_notify
            except ssl.SSLError as exc:
                raise UpstreamCut("The site cut the secure connection.") from exc

    def _end_reading(self, _closed: asyncio.Future[None]) -> None:
        """Wake a reader that aiohttp forgets when the framing breaks in mid-body."""
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(ClientPayloadError("The connection was closed."))

    def release(self) -> None:
        """Keep the connection for the next request if the body was read, else close it."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._end_reading)
        if self._missed:
            self._response.close()
        else:
            self._response.release()

    def reject(self) -> None:
        """Release it as what cannot be the answer to what was asked: cut the connection.

        What comes next on it might be that answer, and would be taken for another one. Whoever
        asks on it by now sees the cut.
        """
        self.release()
        protocol = self._protocol
        if protocol is None:  # aiohttp's response gives its connection back when all has come
            protocol = getattr(self._response, "_protocol", None)
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()


def _look_at_exception(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended, so that asyncio does not report it as an oversight."""
    if not closed.cancelled():
        closed.exception()


class SmallUpstream(Upstream):
    """A small response, which is read without aiohttp."""

    can_detach = False  # it is here before it pays

    def __init__(self, response: SmallResponse, link: Link) -> None:
        self.head = UpstreamHead(response.status, response.headers, time.time())
        self.link = link
        self._small = response

    def take_whole(self, length: int) -> bytes | None:
        """Return the body, where it has that length and is here already."""
        is_here = not self._small.left and self._small.received == length
        return self._small.take() if is_here else None

    async def read(self) -> bytes:
        """Return what has come of the body; none at its end.

        :raises ProxyError: as of any upstream.
        """
        return await self._receive(self._small.read())

    async def peek(self, length: int) -> bytes:
        """Return the first *length* bytes, which stay to be read."""
        return await self._receive(self._small.peek(length))

    async def _receive(self, reading: Awaitable[bytes]) -> bytes:
        try:
            return await reading
        except (ClientError, OSError) as exc:
            raise translate(exc) from exc

    def release(self) -> None:
        """Close the connection, unless the body was read: then it is kept already."""
        self._small.release()

    def reject(self) -> None:
        """Cut the connection."""
        self._small.reject()


def open_body(
    response: ClientResponse | Response | SmallResponse, link: Link, chunk_size: int
) -> Upstream:
    """Return the upstream's response whose head has arrived."""
    if isinstance(response, SmallResponse):
        return SmallUpstream(response, link)
    return Upstream(response, link, chunk_size)
