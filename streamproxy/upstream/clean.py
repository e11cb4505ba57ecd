"""Connections on which nothing waits that nobody asked for: what all connectors share."""

import asyncio
import select
import ssl
from typing import Any
from weakref import WeakSet

from aiohttp import ClientRequest, ClientTimeout, ServerDisconnectedError, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from streamproxy.upstream.observer import UNOBSERVED
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.tls import TlsTransport

# Seconds; a viewer's next seek mostly comes within a minute.
KEEPALIVE = 60.0
# Connections that wait for their next request, here and in upstream/lines.py: whoever asks for
# links of ever new sites fills no table of descriptors.
MAX_IDLE = 128
_DNS_CACHE = 60


class CleanConnector(TCPConnector):
    """A connector that keeps connections clean. Must be made with a running event loop.

    :param resolver: for the names that it connects to; closed with the connector.
    :param own: where the proxy itself listens; known only while it runs.
    :param tls: what certificates to trust; None: those that the system trusts.
    :param options: of the class that this one is mixed with.
    """

    # Whether each address of a target is judged when a connection to it is made; else the
    # client has to look up and judge the names beforehand.
    judges_targets = False

    def __init__(
        self,
        resolver: AbstractResolver,
        own: OwnEndpoints,
        tls: ssl.SSLContext | None,
        **options: Any,  # noqa: ANN401  # those of the next class
    ) -> None:
        super().__init__(
            resolver=resolver,
            ssl=tls or True,
            limit=0,  # viewers are limited where they arrive, not where they would wait
            keepalive_timeout=KEEPALIVE,
            ttl_dns_cache=_DNS_CACHE,
            **options,
        )
        self.own = own
        self.observer = UNOBSERVED
        self._used: WeakSet[ResponseHandler] = WeakSet()
        self._idle: dict[ResponseHandler, None] = {}  # the one that has waited longest first

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  # the signature is aiohttp's
    ) -> Connection:
        """Return a connection on which nothing was received that nobody asked for.

        What a server sends after the end of a response would be taken for the answer to
        the next request on the same connection (aiohttp issue 13656). Such a connection
        is dropped for another one.

        :raises ServerDisconnectedError: the server spoke first on a new connection.
        """
        while True:
            began_at = self._loop.time()
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is not None:
                self._idle.pop(protocol, None)
                if protocol.transport is not None:
                    protocol.transport.set_protocol(protocol)
            if protocol not in self._used:
                self.observer.connected(self._loop.time() - began_at)
            if protocol is not None and _is_clean(connection, protocol):
                self._used.add(protocol)
                return connection
            was_used = protocol in self._used
            connection.close()
            if not was_used:
                raise ServerDisconnectedError("The server spoke before it was asked.")

    def has_idle(self, req: ClientRequest) -> bool:
        """Tell whether a connection waits that can take this request."""
        kept = self._conns.get(req.connection_key, ())
        return any(protocol.is_connected() for protocol, _ in kept)

    def drop_idle(self, req: ClientRequest) -> None:
        """Close the connections that wait and could take this request."""
        for protocol, _ in self._conns.pop(req.connection_key, ()):
            self._idle.pop(protocol, None)
            protocol.close()

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        """Keep a connection for the next request, as aiohttp does, but not any number of them."""
        super()._release(key, protocol, should_close=should_close)
        if not protocol.is_connected():
            return
        if protocol.transport is not None:
            protocol.transport.set_protocol(_Idle(protocol))
        self._idle[protocol] = None
        if len(self._idle) > MAX_IDLE:  # of which some may have ended
            self._idle = {other: None for other in self._idle if other.is_connected()}
        if len(self._idle) > MAX_IDLE:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.close()

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close all connections, and the resolver."""
        await super().close(abort_ssl=abort_ssl)
        await self._resolver.close()


class _Idle(asyncio.Protocol):
    """Stands before aiohttp's protocol while a connection waits: whatever comes ends it.

    aiohttp would parse it and keep it, without bound; half a head would not even show, and
    begin the next answer.
    """

    def __init__(self, behind: ResponseHandler) -> None:
        self._behind = behind

    def data_received(self, _data: bytes) -> None:
        """Close: nobody has asked for anything."""
        self._behind.close()

    def eof_received(self) -> None:
        """Tell aiohttp's protocol."""
        self._behind.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell aiohttp's protocol."""
        self._behind.connection_lost(exc)


def _is_clean(connection: Connection, protocol: ResponseHandler) -> bool:
    """Tell whether nothing waits to be read: parsed, unparsed, or in the kernel."""
    transport = connection.transport
    if isinstance(transport, TlsTransport):
        transport.look()  # it may hold an end, or a session ticket, which is no content
    if transport is None or transport.is_closing() or len(protocol) or protocol.should_close:
        return False
    if transport.get_extra_info("sslcontext") is not None or not hasattr(select, "poll"):
        return True
    poller = select.poll()
    poller.register(transport.get_extra_info("socket"), select.POLLIN)
    return not poller.poll(0)
