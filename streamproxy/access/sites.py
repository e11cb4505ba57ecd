"""Is it another web site that makes a browser ask? From what the browser itself says.

A page of any site can make the browser of its reader send requests to this proxy, also to
one that only listens on loopback. It cannot hide where it comes from.

Source: Fetch Metadata Request Headers (W3C), RFC 6454 (Origin), RFC 9110 section 7.4
(requests for a host that is not ours), the WHATWG Fetch standard.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from ipaddress import ip_address

from multidict import MultiMapping

from streamproxy.errors import ForeignSite, Misdirected
from streamproxy.targets.addresses import AddressClass, canonical, classify
from streamproxy.targets.policy import matches_host

# Characters; a name has 253 at most.
_MAX_HOST = 1024
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\s]+)(?::[0-9]{0,5})?", re.IGNORECASE)


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a host, a name or an address without brackets, is this machine alone."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        return classify(canonical(ip_address(name))) is AddressClass.LOOPBACK
    except ValueError:
        return False


def check_host(
    hosts: Sequence[str],
    server_names: tuple[str, ...],
    *,
    on_loopback: bool,
    asks_who: bool = False,
) -> None:
    """Refuse a request for a host name that is not this proxy's: DNS rebinding.

    :param hosts: the Host fields of the request. None: no browser made it.
    :param server_names: patterns of names. None: any but, *on_loopback*, only loopback's own,
        unless the proxy *asks_who* is there: another site's page has no cookie of ours.
    :param on_loopback: whether the connection came in on a loopback address.
    :raises Misdirected: the name is not known.
    """
    if not hosts:
        return
    host = _parse_host(hosts[0]) if len(hosts) == 1 and len(hosts[0]) <= _MAX_HOST else None
    if host is None:
        raise Misdirected("The request names no host that can be understood.")
    if on_loopback and is_loopback(host):
        return
    if matches_host(host, server_names) if server_names else asks_who or not on_loopback:
        return
    raise Misdirected("The request is for a host name that this proxy is not known by.")


@lru_cache(maxsize=256)
def _parse_host(value: str) -> str | None:
    match = _AUTHORITY.fullmatch(value)
    return match and match[1].strip("[]").lower()


def check_site(
    fields: MultiMapping[str],
    origins: Collection[str],
    *,
    is_safe: bool = True,
    may_open: bool = False,
    may_frame: bool = False,
) -> None:
    """Refuse what a page of another site asks for.

    What says nothing of a site (Sec-Fetch-Site) comes from a program, or from a browser to
    a plain-HTTP address that is not loopback, or from one of before 2023. Then a safe request
    passes: its answer cannot be read without leave (CORS). Another is judged by its Origin.

    :param origins: that the owner permits; ``*``: any.
    :param is_safe: whether the method is (RFC 9110, section 9.2.1).
    :param may_open: whether a link on another site may lead here.
    :param may_frame: whether the page may be shown in a frame; which, its CSP says.
    :raises ForeignSite: the owner did not permit it.
    """
    origin = fields.get("Origin")
    site = fields.get("Sec-Fetch-Site")
    if site == "none" and "prefetch" in fields.get("Sec-Purpose", ""):
        # So says Chromium of what another site lets it fetch ahead, too.
        raise ForeignSite("A page, maybe of another site, let this be fetched ahead.")
    if site in ("same-origin", "none"):
        return
    if site is None and (
        is_safe or origin is None or _host_of(origin) == fields.get("Host", "").lower()
    ):
        return
    if "*" in origins or _origin_of(fields) in origins:
        return
    if may_open and fields.get("Sec-Fetch-Mode") == "navigate":
        destination = fields.get("Sec-Fetch-Dest")
        if destination == "document" or (may_frame and destination in ("iframe", "frame")):
            return
    raise ForeignSite("A page of another site made this request.")


def comes_from_elsewhere(fields: MultiMapping[str]) -> bool:
    """Tell whether a link on another site led here."""
    return fields.get("Sec-Fetch-Site") in ("cross-site", "same-site")


def _host_of(origin: str) -> str:
    return origin.lower().partition("://")[2]


def _origin_of(fields: MultiMapping[str]) -> str | None:
    """Return the origin of the page that asks; media elements name it as Referer only."""
    origin = fields.get("Origin")
    if origin is None and (match := re.match(r"https?://[^/?#]+", fields.get("Referer", ""))):
        origin = match[0]
    return None if origin is None else origin.lower()
