"""What can go wrong with an upstream: aiohttp's errors, said once in our own words."""

import errno
import random
import socket

from aiohttp import (
    ClientConnectionResetError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientOSError,
    ClientProxyConnectionError,
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
    KeptCut,
    ProxyError,
    ReadTimeout,
    TlsError,
    UpstreamCut,
    UpstreamProtocol,
)
from streamproxy.protocol.resume import backoff_s, retry_after_s
from streamproxy.upstream.connector import UnretriedError
from streamproxy.upstream.exchange import KeptConnectionError
from streamproxy.upstream.proxied import (
    translate_proxy,
)
from streamproxy.upstream.resolver import BlockedAddress


def translate(exc: ClientError | OSError) -> ProxyError:
    """Return the failure of ours that an error of aiohttp's client stands for.

    The error, and what led to it, lose their tracebacks.
    """
    _break_circles(exc)
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
        case (
            KeptConnectionError()
            | ClientOSError()
            | ClientConnectionResetError()
            | ServerDisconnectedError()
            | UnretriedError()
        ):
            cut = KeptCut if isinstance(exc, KeptConnectionError) else UpstreamCut
            return cut("The site cut the connection.")
        case _:
            return UpstreamProtocol("The site broke the rules of HTTP.")


def wait_s(cause: ProxyError, attempt: int) -> float:
    """Return how many seconds to wait before asking again after a failure.

    :param attempt: 1 for the first.
    """
    if isinstance(cause, KeptCut):
        return 0.0
    asked = retry_after_s(cause.fields.get("Retry-After"), None)
    return backoff_s(attempt, random.random(), asked)  # noqa: S311  # no secret


def _break_circles(error: BaseException | None) -> None:
    """Drop the tracebacks of an error and of what led to it.

    Their frames hold what the errors are stored in: circles, with bytes of the body in them,
    that only the garbage collector would break.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
