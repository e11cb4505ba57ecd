"""Say why: every failure this project can name, as one tree under ProxyError.

Each class is one code of the contract. The class knows what is always true of the
failure (status, title, hint, whether a retry may help); the instance knows this case
(detail, the upstream's status, fields to add to the response). One middleware renders
them; nothing else turns an error into a response.

Source: RFC 9457 (problem details), RFC 9110 section 15 (status codes).
"""

from streamproxy.errors.access import (
    AuthenticationRequired,
    ClosedToOthers,
    ForeignSite,
    InvalidSignature,
    LinkExpired,
    Misdirected,
    MissingUrl,
    NoSuchSession,
    NotInstalled,
    OwnerOnly,
    RateLimited,
    RequestError,
    TooManyAttempts,
    UnknownEncoding,
    WrongCredentials,
)
from streamproxy.errors.base import ProxyError, SettingsError
from streamproxy.errors.fetching import (
    BlockedTarget,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    InvalidUrl,
    NotMedia,
    NotSliceable,
    NotSubtitles,
    RangeNotSatisfiable,
    ReadTimeout,
    ShuttingDown,
    SubtitlesTooLarge,
    TlsError,
    TooLarge,
    TooManyRedirects,
    TooManyStreams,
    UnsupportedScheme,
    UnsupportedSubtitles,
    UpstreamBusy,
    UpstreamCut,
    UpstreamProtocol,
    UpstreamStatus,
)

__all__ = (
    "AuthenticationRequired",
    "BlockedTarget",
    "ClosedToOthers",
    "ConnectTimeout",
    "ConnectionRefused",
    "DnsFailure",
    "ForeignSite",
    "InvalidSignature",
    "InvalidUrl",
    "LinkExpired",
    "Misdirected",
    "MissingUrl",
    "NoSuchSession",
    "NotInstalled",
    "NotMedia",
    "NotSliceable",
    "NotSubtitles",
    "OwnerOnly",
    "ProxyError",
    "RangeNotSatisfiable",
    "RateLimited",
    "ReadTimeout",
    "RequestError",
    "SettingsError",
    "ShuttingDown",
    "SubtitlesTooLarge",
    "TlsError",
    "TooLarge",
    "TooManyAttempts",
    "TooManyRedirects",
    "TooManyStreams",
    "UnknownEncoding",
    "UnsupportedScheme",
    "UnsupportedSubtitles",
    "UpstreamBusy",
    "UpstreamCut",
    "UpstreamProtocol",
    "UpstreamStatus",
    "WrongCredentials",
)
