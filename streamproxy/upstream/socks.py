"""Fetch through a SOCKS proxy that the owner names. Needs the extra ``socks``.

The proxy is given an address that was looked up and judged here, never a name: what was
judged is what it connects to, and a name server that changes its answer gains nothing.
"""

import errno
import ssl
from asyncio import Transport
from typing import Any, cast
from weakref import WeakKeyDictionary

from aiohttp import (
    AddrInfoType,
    ClientConnectorError,
    ClientProxyConnectionError,
    ClientRequest,
    ClientTimeout,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp_socks import (
    ProxyConnectionError,
    ProxyConnector,
    ProxyError,
    ProxyTimeoutError,
    ProxyType,
)
from yarl import URL

from streamproxy.targets.policy import TargetPolicy
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.resolver import BlockedAddress, GuardedResolver, judge_address

_TYPES = {"socks4": ProxyType.SOCKS4, "socks5": ProxyType.SOCKS5}


class SocksConnector(CleanConnector, ProxyConnector):
    """A connector that reaches what a policy permits through a SOCKS proxy.

    Must be made with a running event loop.
    """

    judges_targets = True

    def __init__(
        self, policy: TargetPolicy, own: OwnEndpoints, proxy: URL, tls: ssl.SSLContext | None
    ) -> None:
        resolver = GuardedResolver(policy, own=own)
        super().__init__(
            resolver,
            own,
            tls,
            proxy_type=_TYPES[proxy.scheme],
            host=proxy.host,
            port=proxy.port,
            username=proxy.user,
            password=proxy.password,
        )
        self._resolver = resolver  # aiohttp-socks has put one there that resolves nothing
        self._policy = policy
        self._knows_ipv6 = proxy.scheme != "socks4"
        # A transport is closed when the writer that aiohttp-socks made for it is forgotten.
        self._plain: WeakKeyDictionary[ResponseHandler, ResponseHandler] = WeakKeyDictionary()

    async def _wrap_create_connection(
        self,
        *args: Any,  # noqa: ANN401  # whatever aiohttp passes on
        addr_infos: list[AddrInfoType],
        req: ClientRequest,
        timeout: ClientTimeout,  # noqa: ASYNC109  # the signature is aiohttp's
        client_error: type[Exception] = ClientConnectorError,
        **options: Any,  # noqa: ANN401  # the same
    ) -> tuple[Transport, ResponseHandler]:
        """Connect to the first address; aiohttp comes again with the next one if that fails.

        TLS begins here, not in aiohttp-socks: it would hold the certificate against the
        address that the proxy was given.
        """
        context = options.pop("ssl", None)
        host, port = str(addr_infos[0][4][0]), int(addr_infos[0][4][1])
        try:
            judge_address(host, port, self._policy, self.own)
            if ":" in host and not self._knows_ipv6:
                raise ProxyError("SOCKS4 knows no IPv6.")
            transport, plain = await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, timeout=timeout, **options
            )
        except BlockedAddress as exc:
            raise ClientConnectorError(req.connection_key, exc) from exc
        except ProxyTimeoutError as exc:
            raise TimeoutError from exc
        except (ProxyConnectionError, ProxyError, OSError, EOFError) as exc:
            failure = OSError(errno.ECONNREFUSED, "The proxy fails.")
            raise ClientProxyConnectionError(req.connection_key, failure) from exc
        if context is None:
            return transport, plain
        secure, protocol = await self._start_tls_connection(
            transport, req=req, timeout=timeout, client_error=client_error
        )
        self._plain[protocol] = plain
        return cast("Transport", secure), protocol
