"""Fetch through an HTTP proxy that the owner names.

All that is connected to is that proxy, wherever it stands: it is the owner's word, and no
target. Targets are resolved and judged before it is asked; it resolves their names again,
so that what it connects to is its own choice. docs/targets.md says what that means.
"""

import errno
import ssl

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientHttpProxyError,
    ClientOSError,
    ClientProxyConnectionError,
    ClientRequest,
    ClientResponseError,
    ClientTimeout,
    ServerDisconnectedError,
)
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from streamproxy.errors import ConnectionRefused, ConnectTimeout, ProxyError
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.resolver import SystemResolver


class HttpProxyConnector(CleanConnector):
    """A connector for a session that has a proxy; what it connects to is not judged here."""

    def __init__(self, own: OwnEndpoints, tls: ssl.SSLContext | None) -> None:
        super().__init__(SystemResolver(), own, tls)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  # the signature is aiohttp's
    ) -> Connection:
        """Return a clean connection to the proxy, or through it.

        :raises ClientProxyConnectionError: its own name has no address, or it breaks off.
        :raises ClientHttpProxyError: it refuses.
        """
        try:
            return await super().connect(req, traces, timeout)
        except (ClientOSError, ClientResponseError, ServerDisconnectedError) as exc:
            is_of_the_site = isinstance(exc, ClientConnectorError) and not isinstance(
                exc, ClientConnectorDNSError
            )
            if is_of_the_site or isinstance(exc, ClientHttpProxyError):
                raise
            failure = OSError(errno.ECONNREFUSED, "The proxy fails.")
            raise ClientProxyConnectionError(req.connection_key, failure) from exc


def refusal_of_proxy(status: int) -> ProxyError:
    """Return the failure that a proxy's own answer stands for.

    Source: RFC 9110, sections 9.3.6 (CONNECT), 15.5.8 and 15.6.5.
    """
    if status == 407:
        return ConnectionRefused("The upstream proxy wants other credentials than it was given.")
    if status == 504:
        return ConnectTimeout("The upstream proxy did not reach the site in time.")
    return ConnectionRefused(f"The upstream proxy does not connect to the site (status {status}).")


def translate_proxy(exc: ClientHttpProxyError | ClientProxyConnectionError) -> ProxyError:
    """Return the failure of ours that a failure of the proxy stands for."""
    if isinstance(exc, ClientHttpProxyError):
        return refusal_of_proxy(exc.status)
    return ConnectionRefused("The upstream proxy cannot be reached, or does not reach the site.")
