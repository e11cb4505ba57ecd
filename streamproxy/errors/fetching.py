"""Failures of a link: it may not be fetched, it cannot be, or what it leads to is no film."""

import math

from streamproxy.errors.base import ProxyError


class InvalidUrl(ProxyError):
    """The link is not a URL that can be fetched."""

    status = 400
    code = "invalid_url"
    title = "Not a valid link"
    hint = "Copy the whole link again; it starts with https:// or http:// and a host name."


class UnsupportedScheme(ProxyError):
    """The link is neither http nor https."""

    status = 400
    code = "unsupported_scheme"
    title = "This kind of link is not supported"
    hint = "Only links that start with https:// or http:// can be played."


class BlockedTarget(ProxyError):
    """Policy refuses the host, the port or the address."""

    status = 403
    code = "blocked_target"
    title = "This address may not be reached"
    hint = "The owner of this proxy can permit it: see allow_network and allow_host."


class NotMedia(ProxyError):
    """The link leads to something that is no video or audio."""

    status = 415
    code = "not_media"
    title = "Not a video"
    hint = "Paste the link of the video file itself, not of the page that shows it."


class NotSubtitles(ProxyError):
    """The file holds no subtitles."""

    status = 415
    code = "not_subtitles"
    title = "Not subtitles"
    hint = "Give a subtitle file itself (.srt, .vtt, .ass), not an archive or a page that has it."


class UnsupportedSubtitles(ProxyError):
    """The file may hold subtitles, but what would read its format is not installed."""

    status = 415
    code = "unsupported_subtitles"
    title = "These subtitles cannot be read here"
    hint = "The owner of this proxy can add formats: pip install 'streamproxy[subtitles]'."


class TooLarge(ProxyError):
    """The resource is larger than this proxy forwards."""

    status = 413
    code = "too_large"
    title = "The file is too large"
    hint = "The owner of this proxy can raise max_file_size."


class NotSliceable(ProxyError):
    """A cache asks for a part to join with others, and nothing shows that they belong together."""

    status = 412
    code = "not_sliceable"
    title = "The parts of this file must not be joined"
    hint = "A cache that asks so should fetch the file as its client asked for it."


class SubtitlesTooLarge(TooLarge):
    """The file is larger than subtitles are."""

    hint = "Subtitle files are small: is this the film itself?"


class RangeNotSatisfiable(ProxyError):
    """No part of the requested range exists.

    :param complete_length: bytes in the representation, or None where unknown.
    """

    status = 416
    code = "range_not_satisfiable"
    title = "The requested range does not exist"
    hint = "Ask for a range that begins inside the file."

    def __init__(self, complete_length: int | None) -> None:
        fields = {} if complete_length is None else {"Content-Range": f"bytes */{complete_length}"}
        length = "unknown" if complete_length is None else f"{complete_length} bytes"
        super().__init__(
            f"The requested range lies outside the file, whose length is {length}.", fields=fields
        )
        self.complete_length = complete_length


# What a person can do about the statuses that sites really answer with.
_STATUS_HINTS = {
    401: "The site wants a login: open it in the browser and copy a fresh link.",
    403: "The link may have expired or be bound to another address: copy a fresh one.",
    404: "Check the link: the file is not there, or no longer.",
    410: "The file was removed: look for another link.",
    429: "The site asks to slow down: wait a little and try again.",
}
# Failures that a person, or a player, can tell apart and act on; the rest is a bad gateway.
_PASSED_STATUSES = frozenset({403, 404, 410, 429, 503})
_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class UpstreamStatus(ProxyError):
    """The site answered, but refused or failed.

    403, 404, 410, 429 and 503 are passed on as they came; any other failure is 502.

    :param status: the upstream's status code.
    :param retry_after: the upstream's Retry-After field, or its meaning in seconds.
    """

    code = "upstream_status"
    title = "The site refused"

    def __init__(self, status: int, *, retry_after: str | float | None = None) -> None:
        if isinstance(retry_after, float):
            retry_after = str(math.ceil(retry_after))
        super().__init__(
            f"The site answered with status {status} instead of the file.",
            upstream_status=status,
            fields={"Retry-After": retry_after} if retry_after else None,
        )
        self.status = status if status in _PASSED_STATUSES else 502
        self.retryable = status in _RETRYABLE_STATUSES
        self.hint = _STATUS_HINTS.get(
            status,
            "The site has trouble: try again in a while."
            if self.retryable
            else "Open the link in the browser to see what the site says.",
        )


class UpstreamBusy(UpstreamStatus):
    """The site, or a gateway before it, is busy for a moment."""


class DnsFailure(ProxyError):
    """The host name has no address."""

    status = 502
    code = "dns_failure"
    title = "The site was not found"
    hint = "Check the host name in the link, and that this machine is online."
    retryable = True


class ConnectionRefused(ProxyError):
    """No connection could be made."""

    status = 502
    code = "connection_refused"
    title = "The site could not be reached"
    hint = "The site may be down, or the port in the link wrong: try again later."
    retryable = True


class TlsError(ProxyError):
    """The secure connection could not be made."""

    status = 502
    code = "tls_error"
    title = "No secure connection"
    hint = "The certificate of the site is not valid; only its owner can mend that."


class TooManyStreams(ProxyError):
    """As many streams run as the owner permits."""

    status = 503
    code = "too_many_streams"
    title = "Too many streams"
    hint = "Wait until another stream has ended, and try again."
    retryable = True


class ShuttingDown(ProxyError):
    """The server is about to stop and takes no new streams."""

    status = 503
    code = "shutting_down"
    title = "The server is about to stop"
    hint = "Try again in a moment: it is probably being restarted."
    retryable = True


class UpstreamProtocol(ProxyError):
    """The upstream broke the rules of HTTP, so that its bytes cannot be trusted."""

    status = 502
    code = "upstream_protocol"
    title = "The site gave a broken answer"
    hint = "Try again; if it stays so, the site cannot be streamed from."
    retryable = True


class UpstreamCut(UpstreamProtocol):
    """The connection ended before the head of a response arrived."""


class KeptCut(UpstreamCut):
    """A kept connection ended when it was asked on again: the site itself may be well."""


class TooManyRedirects(ProxyError):
    """The chain of redirects is longer than max_redirects."""

    status = 502
    code = "too_many_redirects"
    title = "Too many redirects"
    hint = "The site sends the link in circles: open it in the browser and copy a fresh one."


class ConnectTimeout(ProxyError):
    """No connection within connect_timeout."""

    status = 504
    code = "connect_timeout"
    title = "The site did not answer in time"
    hint = "The site may be down or overloaded: try again later."
    retryable = True


class ReadTimeout(ProxyError):
    """Connected, but no bytes within read_timeout."""

    status = 504
    code = "read_timeout"
    title = "The site was too slow"
    hint = "The site stopped sending: try again."
    retryable = True
