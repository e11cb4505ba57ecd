"""The guarded connector: the target policy's last word, when a connection is made.

A name is judged by what it resolves to, and what it resolves to can change between a
check and its use. So every address is judged twice: when the resolver answers, and when
a socket is about to be opened to it, which no answer, literal or redirect can avoid.
"""

import asyncio
import functools
import socket
import ssl
from importlib.util import find_spec
from typing import Any, cast

from aiohttp import (
    AddrInfoType,
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
)
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from streamproxy.errors import SettingsError
from streamproxy.settings import Settings
from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.exchange import MAX_FIELD_SIZE, MAX_FIELDS, READ_BUFSIZE
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.proxied import HttpProxyConnector
from streamproxy.upstream.resolver import GuardedResolver, judge_address
from streamproxy.upstream.tls import CAN_WAIT, Unread, start_tls


class GuardedConnector(CleanConnector):
    """A connector that only connects to what a policy permits, and keeps connections clean.

    Must be made with a running event loop.

    :param resolver: for names; None: the system's.
    :param tls: what certificates to trust; None: those that the system trusts.
    """

    judges_targets = True

    def __init__(
        self,
        policy: TargetPolicy,
        own: OwnEndpoints | None = None,
        resolver: AbstractResolver | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        own = own or OwnEndpoints()
        super().__init__(
            GuardedResolver(policy, resolver, own=own),
            own,
            tls,
            socket_factory=functools.partial(_open_socket, policy, own),
        )

    async def _wrap_create_connection(
        self,
        *args: Any,  # noqa: ANN401  # whatever aiohttp passes on
        req: ClientRequest,
        timeout: ClientTimeout,  # noqa: ASYNC109  # the signature is aiohttp's
        **options: Any,  # noqa: ANN401  # the same
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Connect as aiohttp does, with a TLS of our own."""
        context: ssl.SSLContext | None = options.get("ssl")
        if context is None or not CAN_WAIT:
            return await super()._wrap_create_connection(*args, req=req, timeout=timeout, **options)
        server_hostname = options.pop("server_hostname", None)
        try:
            async with asyncio.timeout(timeout.sock_connect):  # for both together
                plain, _ = await super()._wrap_create_connection(
                    Unread, req=req, timeout=timeout, **options | {"ssl": None}
                )
                transport, protocol = await start_tls(plain, context, server_hostname, args[0])
        except (ClientError, TimeoutError):
            raise
        except ssl.CertificateError as exc:
            raise ClientConnectorCertificateError(req.connection_key, exc) from exc
        except ssl.SSLError as exc:
            raise ClientConnectorSSLError(req.connection_key, exc) from exc
        except OSError as exc:
            raise ClientConnectorError(req.connection_key, exc) from exc
        return transport, cast("ResponseHandler", protocol)


def _open_socket(policy: TargetPolicy, own: OwnEndpoints, addr_info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, address = addr_info
    judge_address(str(address[0]), int(address[1]), policy, own)
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


def parse_upstream_proxy(settings: Settings) -> URL | None:
    """Return the proxy to fetch through; None: straight to the sites.

    :raises SettingsError: its port is none, or the extra for its kind is not installed.
    """
    if not settings.upstream_proxy:
        return None
    try:
        proxy = URL(settings.upstream_proxy)
        proxy.port  # noqa: B018  # read where yarl checks it
    except ValueError:
        proxy = URL()
    if not proxy.host or not proxy.port:
        raise SettingsError(
            "upstream_proxy: the value is not allowed; give a URL such as"
            " http://proxy.example:3128 or socks5://proxy.example:1080"
        )
    if proxy.scheme != "http" and find_spec("aiohttp_socks") is None:
        raise SettingsError(
            f"upstream_proxy: {proxy.scheme} needs an extra;"
            " pip install 'streamproxy[socks]', or give an http:// proxy"
        )
    return proxy


def _make_connector(
    policy: TargetPolicy, proxy: URL | None, tls: ssl.SSLContext | None
) -> CleanConnector:
    if proxy is None:
        return GuardedConnector(policy, tls=tls)
    if proxy.scheme == "http":
        return HttpProxyConnector(OwnEndpoints(), tls)
    from streamproxy.upstream.socks import SocksConnector  # noqa: PLC0415  # an optional extra

    return SocksConnector(policy, OwnEndpoints(), proxy, tls)


def open_session(
    settings: Settings, policy: TargetPolicy, *, tls: ssl.SSLContext | None = None
) -> ClientSession:
    """Return the session that everything is fetched with; the caller closes it.

    It keeps no cookies, follows nothing by itself, believes no environment and decodes
    no body. Must be called with a running event loop.

    :param tls: what certificates to trust; None: those that the system trusts.
    :raises SettingsError: as parse_upstream_proxy.
    """
    proxy = parse_upstream_proxy(settings)
    return ClientSession(
        connector=_make_connector(policy, proxy, tls),
        proxy=proxy if proxy is not None and proxy.scheme == "http" else None,
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
        read_bufsize=READ_BUFSIZE,
        max_line_size=MAX_FIELD_SIZE,
        max_field_size=MAX_FIELD_SIZE,
        max_headers=MAX_FIELDS,
    )
