"""Open a link: hop by hop, each hop judged, every failure said in our own words."""

import asyncio
import copy
import errno
import secrets
import socket
import ssl
from collections.abc import Sequence

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientOSError,
    ClientPayloadError,
    ClientProxyConnectionError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ConnectionTimeoutError,
    InvalidURL,
    ServerDisconnectedError,
)

from streamproxy.errors import (
    BlockedTarget,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    InvalidUrl,
    ProxyError,
    ReadTimeout,
    TlsError,
    TooManyRedirects,
    UpstreamCut,
    UpstreamProtocol,
)
from streamproxy.protocol.heads import UpstreamHead
from streamproxy.protocol.loops import make_user_agent
from streamproxy.targets.links import Link, join_link
from streamproxy.targets.policy import HostRule, TargetPolicy, check_target
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.connector import UnretriedError
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.proxied import (
    HttpProxyConnector,
    refusal_of_proxy,
    translate_proxy,
)
from streamproxy.upstream.resolver import BlockedAddress, GuardedResolver
from streamproxy.version import __version__

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OWN_FIELDS = {"Accept": "*/*", "Accept-Encoding": "identity"}
# Bytes of all fields together; those of real sites have two to eight KiB.
_MAX_HEAD_SIZE = 256 * 1024


class Upstream:
    """An upstream's response whose head has arrived: read its body, then release it.

    :param link: where the response came from, after all redirects.
    """

    def __init__(self, response: ClientResponse, link: Link, chunk_size: int) -> None:
        self.head = UpstreamHead(response.status, response.headers)
        self.link = link
        self._response = response
        self._chunk_size = chunk_size
        self._peeked = b""
        connection = response.connection
        self._protocol = None if connection is None else connection.protocol
        self._closed = None if self._protocol is None else self._protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._end_reading)
            # Stays when this response is released, and once however many follow on it.
            self._closed.remove_done_callback(_look_at_exception)
            self._closed.add_done_callback(_look_at_exception)
        transport = None if connection is None else connection.transport
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
        return await self._receive(self._chunk_size)

    async def peek(self, length: int) -> bytes:
        """Return the first *length* bytes of the body, fewer where it is shorter.

        They stay to be read; no more than they are read from the connection.

        :raises ProxyError: as read.
        """
        while (missing := length - len(self._peeked)) > 0:
            chunk = await self._receive(min(missing, self._chunk_size))
            if not chunk:
                break
            self._peeked += chunk
        return self._peeked

    async def _receive(self, max_length: int) -> bytes:
        try:
            chunk = await self._response.content.read(max_length)
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
        reason = self._protocol.exception()
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
        self._response.release()


def _look_at_exception(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended, so that asyncio does not report it as an oversight."""
    if not closed.cancelled():
        closed.exception()


class UpstreamClient:
    """Opens links with one session, under one policy.

    Where the session's connector does not judge addresses (one that another service lends,
    or one that goes through an HTTP proxy), names are resolved and judged here beforehand;
    what remains open is the moment between (DNS rebinding).
    """

    def __init__(
        self,
        session: ClientSession,
        policy: TargetPolicy,
        *,
        max_redirects: int,
        chunk_size: int,
    ) -> None:
        self._session = session
        self._policy = policy
        self._max_redirects = max_redirects
        self._chunk_size = chunk_size
        connector = session.connector
        # Where the proxy itself listens: learnt while it runs.
        self.own = connector.own if isinstance(connector, CleanConnector) else OwnEndpoints()
        self._resolver: GuardedResolver | None = None
        if not isinstance(connector, CleanConnector) or not connector.judges_targets:
            self._resolver = GuardedResolver(policy, own=self.own)
        # Named to every upstream and looked for in every request: see protocol/loops.py.
        self.instance = secrets.token_hex(8)
        self._user_agent = make_user_agent(__version__, (self.instance,))

    def narrowed(self, rule: HostRule) -> "UpstreamClient":
        """Return a client of the same session for whom *rule* holds too, at every hop."""
        return self._with(_policy=self._policy.narrowed(rule))

    def following(self, instances: Sequence[str]) -> "UpstreamClient":
        """Return a client of the same session that names *instances* before its own."""
        user_agent = make_user_agent(__version__, (*instances, self.instance))
        return self._with(_user_agent=user_agent)

    def _with(self, **changed: object) -> "UpstreamClient":
        other = copy.copy(self)
        vars(other).update(changed)
        return other

    async def close(self) -> None:
        """Release what the client has beside the session, which stays its owner's."""
        if self._resolver is not None:
            await self._resolver.close()

    async def open(self, link: Link, fields: dict[str, str]) -> Upstream:
        """GET *link*, following redirects, and return the response; the caller releases it.

        :param fields: request fields beside our own: the range and the conditions.
        :raises ProxyError: the policy refuses a hop, or no final head arrives.
        """
        for _ in range(self._max_redirects + 1):
            check_target(link, self._policy)
            if link.address is not None:
                self.own.check(link.address, link.port)
            response = await self._request(link, fields)
            self._check_head(response, link)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return Upstream(response, link, self._chunk_size)
            response.release()
            link = join_link(link, location)
        raise TooManyRedirects(f"The site redirects more than {self._max_redirects} times.")

    async def _request(self, link: Link, fields: dict[str, str]) -> ClientResponse:
        own = {"User-Agent": self._user_agent, **_OWN_FIELDS}
        if link.authorization is not None:
            own["Authorization"] = link.authorization
        try:
            if self._resolver is not None and link.address is None:
                await self._resolver.resolve(link.host, link.port, socket.AF_UNSPEC)
            return await self._session.get(
                link.url,
                headers=own | fields,
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,
            )
        except (ClientError, OSError) as exc:  # a TimeoutError is an OSError
            raise translate(exc) from exc

    def _check_head(self, response: ClientResponse, link: Link) -> None:
        """Refuse a head that is too large, or that is the proxy's own and not the site's."""
        size = sum(len(name) + len(value) for name, value in response.raw_headers)
        is_from_proxy = (
            response.status == 407
            and link.scheme == "http"
            and isinstance(self._session.connector, HttpProxyConnector)
        )
        if size > _MAX_HEAD_SIZE or is_from_proxy:
            response.close()
            if is_from_proxy:
                raise refusal_of_proxy(response.status)
            raise UpstreamProtocol("The head of the site's answer is too large.")


def translate(exc: ClientError | OSError) -> ProxyError:
    """Return the failure of ours that an error of aiohttp's client stands for."""
    os_error = exc.os_error if isinstance(exc, ClientConnectorError) else exc
    if isinstance(os_error, BlockedAddress):
        return BlockedTarget(os_error.refusal.detail)
    if isinstance(exc, ClientHttpProxyError | ClientProxyConnectionError):
        return translate_proxy(exc)
    match exc:
        case ClientConnectorDNSError() | socket.gaierror():
            return DnsFailure("The host name in the link has no address.")
        case ClientSSLError():
            return TlsError("The site's certificate or its encryption is not valid.")
        case (
            ConnectionTimeoutError() | ClientConnectorError(os_error=OSError(errno=errno.ETIMEDOUT))
        ):
            return ConnectTimeout("No connection to the site within the time set for it.")
        case TimeoutError():
            return ReadTimeout("The site sent nothing within the time set for it.")
        case ClientConnectorError():
            return ConnectionRefused("The site does not accept connections.")
        case InvalidURL():
            return InvalidUrl("The link cannot be fetched.")
        case ClientOSError() | ServerDisconnectedError() | UnretriedError():
            return UpstreamCut("The site cut the connection.")
        case _:
            return UpstreamProtocol("The site broke the rules of HTTP.")
