"""streamproxy: play a remote video through a proxy that forwards byte ranges."""

from streamproxy.app import create_app
from streamproxy.errors import (
    BlockedTarget,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    InvalidUrl,
    MissingUrl,
    NotMedia,
    ProxyError,
    RangeNotSatisfiable,
    ReadTimeout,
    SettingsError,
    ShuttingDown,
    TlsError,
    TooLarge,
    TooManyRedirects,
    TooManyStreams,
    UnsupportedScheme,
    UpstreamProtocol,
    UpstreamStatus,
)
from streamproxy.middlewares import default_middlewares
from streamproxy.settings import Settings
from streamproxy.version import __version__

__all__ = (
    "BlockedTarget",
    "ConnectTimeout",
    "ConnectionRefused",
    "DnsFailure",
    "InvalidUrl",
    "MissingUrl",
    "NotMedia",
    "ProxyError",
    "RangeNotSatisfiable",
    "ReadTimeout",
    "Settings",
    "SettingsError",
    "ShuttingDown",
    "TlsError",
    "TooLarge",
    "TooManyRedirects",
    "TooManyStreams",
    "UnsupportedScheme",
    "UpstreamProtocol",
    "UpstreamStatus",
    "__version__",
    "create_app",
    "default_middlewares",
)
