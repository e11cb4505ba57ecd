"""The guarded connector: the target policy's last word, when a connection is made.

A name is judged by what it resolves to, and what it resolves to can change between a
check and its use. So every address is judged twice: when the resolver answers, and when
a socket is about to be opened to it, which no answer, literal or redirect can avoid.
"""

import errno
import functools
import select
import socket
from collections.abc import Iterable
from weakref import WeakSet

from aiohttp import (
    AddrInfoType,
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.resolver import ThreadedResolver
from aiohttp.tracing import Trace

from streamproxy.errors import BlockedTarget
from streamproxy.settings import Settings
from streamproxy.targets.policy import TargetPolicy, check_address

# Connecting tries one address after another, and the work to order them is quadratic.
_MAX_ADDRESSES = 16
# Seconds; a viewer's next seek mostly comes within a minute.
_KEEPALIVE = 60.0
_DNS_CACHE = 60
# Bytes; a redirect to a signed link, or a field that repeats one, must fit.
_MAX_FIELD_SIZE = 64 * 1024


class BlockedAddress(OSError):
    """The policy refuses an address; an OSError, so that aiohttp passes it through."""

    def __init__(self, refusal: BlockedTarget) -> None:
        super().__init__(errno.EACCES, refusal.detail)
        self.refusal = refusal


class GuardedResolver(AbstractResolver):
    """Resolve a name to those of its addresses that the policy permits."""

    def __init__(self, policy: TargetPolicy, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return at most 16 permitted addresses.

        :raises BlockedAddress: the name has addresses, but none that is permitted.
        """
        answers = (await self._resolver.resolve(host, port, family))[:_MAX_ADDRESSES]
        permitted, refusal = _judge(answers, self._policy)
        if not permitted and refusal is not None:
            raise BlockedAddress(refusal)
        return permitted

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._resolver.close()


def _judge(
    answers: Iterable[ResolveResult], policy: TargetPolicy
) -> tuple[list[ResolveResult], BlockedTarget | None]:
    permitted: list[ResolveResult] = []
    refusal = None
    for answer in answers:
        try:
            check_address(answer["host"], answer["port"], policy)
        except BlockedTarget as exc:
            refusal = exc
        else:
            permitted.append(answer)
    return permitted, refusal


class GuardedConnector(TCPConnector):
    """A connector that only connects to what a policy permits, and keeps connections clean.

    Must be made with a running event loop.
    """

    def __init__(self, policy: TargetPolicy) -> None:
        super().__init__(
            resolver=GuardedResolver(policy),
            socket_factory=functools.partial(_open_socket, policy),
            limit=0,  # viewers are limited where they arrive, not where they would wait
            keepalive_timeout=_KEEPALIVE,
            ttl_dns_cache=_DNS_CACHE,
        )
        self._used: WeakSet[ResponseHandler] = WeakSet()

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
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is not None and _is_clean(connection, protocol):
                self._used.add(protocol)
                return connection
            was_used = protocol in self._used
            connection.close()
            if not was_used:
                raise ServerDisconnectedError("The server spoke before it was asked.")


def _is_clean(connection: Connection, protocol: ResponseHandler) -> bool:
    """Tell whether nothing waits to be read: parsed, unparsed, or in the kernel."""
    transport = connection.transport
    if transport is None or len(protocol) or protocol.should_close:
        return False
    if transport.get_extra_info("sslcontext") is not None or not hasattr(select, "poll"):
        return True  # bytes of TLS need not be bytes of HTTP: a session ticket, say
    poller = select.poll()
    poller.register(transport.get_extra_info("socket"), select.POLLIN)
    return not poller.poll(0)


def _open_socket(policy: TargetPolicy, addr_info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, address = addr_info
    try:
        check_address(str(address[0]), int(address[1]), policy)
    except BlockedTarget as exc:
        raise BlockedAddress(exc) from exc
    return socket.socket(family, kind, protocol)


class UnretriedError(ClientError):
    """A connection that failed before the head: ours to try again, not aiohttp's."""


async def _no_hidden_retry(req: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from sending a request twice on its own, which no bound would know of."""
    try:
        return await handler(req)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as exc:
        raise UnretriedError(str(exc)) from exc


def open_session(settings: Settings, policy: TargetPolicy) -> ClientSession:
    """Return the session that everything is fetched with; the caller closes it.

    It keeps no cookies, follows nothing by itself, believes no environment and decodes
    no body. Must be called with a running event loop.
    """
    return ClientSession(
        connector=GuardedConnector(policy),
        middlewares=(_no_hidden_retry,),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        requote_redirect_url=False,
        timeout=ClientTimeout(
            total=None,
            connect=settings.connect_timeout,
            sock_connect=settings.connect_timeout,
            sock_read=settings.read_timeout,
        ),
        read_bufsize=settings.chunk_size,
        max_line_size=_MAX_FIELD_SIZE,
        max_field_size=_MAX_FIELD_SIZE,
    )
