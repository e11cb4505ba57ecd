"""Refusals of the request itself, whatever the link in it: who asks, from where, how often."""

import math

from streamproxy.errors.base import ProxyError


class RequestError(ProxyError):
    """The request itself is at fault, whatever the link in it: no answer about the link."""


class MissingUrl(RequestError):
    """The request does not name exactly one link."""

    status = 400
    code = "missing_url"
    title = "No link given"
    hint = "Give exactly one url parameter: the link of a video, percent-encoded."


class UnknownEncoding(RequestError):
    """The request names an encoding that is not known."""

    status = 400
    code = "unknown_encoding"
    title = "Not a known encoding"
    hint = "Leave the encoding out to have it detected, or give one that is known."


class AuthenticationRequired(RequestError):
    """The request does not say, or not rightly, who makes it."""

    status = 401
    code = "authentication_required"
    title = "Please sign in"
    hint = "Reload the page to sign in; a program sends the token as Authorization: Bearer."


class WrongCredentials(AuthenticationRequired):
    """The request says who makes it, but not rightly."""


class TooManyAttempts(RequestError):
    """A client gave wrong credentials again and again.

    :param wait_s: seconds until the next attempt is looked at.
    """

    status = 429
    code = "too_many_attempts"
    title = "Too many wrong attempts"
    hint = "Wait a little, then try again with the right token or password."
    retryable = True

    def __init__(self, wait_s: float) -> None:
        wait = max(1, math.ceil(wait_s))
        super().__init__(
            f"Attempts to sign in are refused for {wait} s.", fields={"Retry-After": str(wait)}
        )


class RateLimited(RequestError):
    """A client or a user makes more requests than the owner permits."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    hint = "Wait a little, then go on."
    retryable = True


class InvalidSignature(RequestError):
    """The signature of a link is not one of ours, or not for this link or client."""

    status = 403
    code = "invalid_signature"
    title = "The link's signature is not valid"
    hint = "Copy the whole link again, or ask for a new one where it came from."


class LinkExpired(RequestError):
    """The signature of a link was valid, but its time is over."""

    status = 410
    code = "link_expired"
    title = "The link has expired"
    hint = "Ask for a new link where it came from."


class OwnerOnly(RequestError):
    """The request asks for what is shown to the owner of the proxy alone."""

    status = 403
    code = "owner_only"
    title = "This is for the owner of the proxy"
    hint = "Bring access_token or, where there is none, ask on the machine that it runs on."


class NoSuchSession(RequestError):
    """The stream that is asked for does not run here, or is somebody else's."""

    status = 404
    code = "no_such_session"
    title = "No such stream runs here"
    hint = "It has ended, or another worker sends it: ask for those that run."


class NotInstalled(RequestError):
    """The proxy was installed without what the request needs."""

    status = 501
    code = "not_installed"
    title = "This proxy was installed without that"
    hint = "The owner of this proxy can install the extra that is named."


class ForeignSite(RequestError):
    """A page of another site makes the request, and the owner did not permit that site."""

    status = 403
    code = "foreign_site"
    title = "Another site may not use this proxy"
    hint = "The owner of this proxy can permit a site: see cors_origin."


class ClosedToOthers(RequestError):
    """The request comes from another machine, and the owner did not say who may come in."""

    status = 403
    code = "closed_to_others"
    title = "This proxy is not open to others"
    hint = "Its owner can set access_token or users_file, or auth to false to let everybody in."


class Misdirected(RequestError):
    """The request is for a host name that is not this proxy's."""

    status = 421
    code = "misdirected_request"
    title = "This proxy is not known by that name"
    hint = "Open it by its own address, or let its owner add the name: see server_name."
