"""Links: from the text that a person pasted to a URL that can be fetched, byte for byte.

Signed links break when they are requoted, so path and query stay as they were written;
only what cannot stand in a request line is encoded (spaces, and characters beyond ASCII,
as their bytes). The host is held to a strict form instead, because a host that two
programs read differently is how a policy is passed by.

Source: RFC 3986, RFC 3987; the WHATWG URL standard for what people paste.
"""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes

from yarl import URL

from streamproxy.errors import InvalidUrl, UnsupportedScheme
from streamproxy.targets.addresses import IPAddress

MAX_LINK_LENGTH = 32 * 1024  # bytes; the longest signed links seen have about 8 KiB

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(rb"//([^/?#]*)([^#]*)")
_USERINFO = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:%-]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OCTET = re.compile(r"0|[1-9][0-9]{0,2}")
_PORT = re.compile(rb"[0-9]{1,5}")
# Bytes that cannot stand in a request line, or that servers and proxies read differently.
_FORBIDDEN = re.compile(rb"[\x00-\x1f\x7f\\]")
_ENCODED = re.compile(rb"[\x20\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Link:
    """A link that can be fetched.

    :param host: a name in lower-case ASCII, or the text of an IP address without brackets.
    :param target: path and query as they go into the request line; begins with a slash.
    :param authorization: the Authorization field that credentials in the link stand for.
    :param address: the host as an IP address; None where it is a name.
    :param origin: scheme, host and, where it is not the scheme's own, port.
    """

    scheme: str
    host: str
    port: int
    target: str
    authorization: str | None = None
    address: IPAddress | None = field(init=False, compare=False)
    origin: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Find what is asked for with each request of many."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        object.__setattr__(self, "address", _parse_address(self.host))
        object.__setattr__(self, "origin", f"{self.scheme}://{host}{port}")

    @property
    def path(self) -> str:
        """The path, percent-encoded, without the query."""
        return self.target.partition("?")[0]

    @property
    def url(self) -> URL:
        """The URL to fetch. Its query is kept in its path: yarl drops an empty one."""
        authority = self.origin.partition("://")[2]
        return URL.build(scheme=self.scheme, authority=authority, path=self.target, encoded=True)

    def __str__(self) -> str:
        """Return the link as it may be shown and logged: no query, no credentials."""
        return f"{self.origin}{self.path}"

    def __repr__(self) -> str:
        return f"<Link {self}>"


@lru_cache(maxsize=256)
def _parse_address(host: str) -> IPAddress | None:
    if ":" in host:
        return IPv6Address(host)
    return IPv4Address(host) if _ends_in_number(host) else None


def parse_link(text: str | bytes) -> Link:
    """Parse what a person pasted, or what a site redirects to.

    :param text: bytes, or text in which surrogates stand for bytes that are no UTF-8 (PEP 383).

    :raises InvalidUrl: not a URL with a host, or one that could be read in two ways.
    :raises UnsupportedScheme: neither http nor https.
    """
    link = (_encode(text) if isinstance(text, str) else text).strip(b" \t\r\n\f")
    if len(link) > MAX_LINK_LENGTH:
        raise InvalidUrl(f"The link is longer than {MAX_LINK_LENGTH} bytes.")
    if _FORBIDDEN.search(link):
        raise InvalidUrl("The link contains a control character or a backslash.")
    scheme = _parse_scheme(link)
    match = _AUTHORITY.match(link, len(scheme) + 1)
    if match is None:
        raise InvalidUrl(f"The link lacks the two slashes after {scheme}:.")
    userinfo, at, hostport = match[1].rpartition(b"@")
    host, port = _parse_hostport(hostport)
    rest = match[2] if match[2].startswith(b"/") else b"/" + match[2]
    return Link(
        scheme=scheme,
        host=host,
        port=_DEFAULT_PORTS[scheme] if port is None else port,
        target=_ENCODED.sub(lambda byte: b"%%%02X" % ord(byte[0]), rest).decode("ascii"),
        authorization=_parse_userinfo(userinfo) if at else None,
    )


def join_link(base: Link, location: str) -> Link:
    """Return the link that a redirect from *base* leads to.

    Credentials stay with the origin that they were given for.

    :param location: the Location field: absolute, or relative to *base*.
    :raises InvalidUrl, UnsupportedScheme: as parse_link.

    Source: RFC 9110, section 10.2.2; RFC 3986, section 5.
    """
    location = location.strip(" \t").partition("#")[0]
    if _FORBIDDEN.search(_encode(location)):  # before a .. takes it out of sight
        raise InvalidUrl("The redirect contains a control character or a backslash.")
    link = parse_link(_resolve(base, location))
    if link.authorization is None and link.origin == base.origin:
        return Link(link.scheme, link.host, link.port, link.target, base.authorization)
    return link


def _resolve(base: Link, reference: str) -> str:
    """Return the absolute form of a reference without a fragment.

    Source: RFC 3986, section 5.2. urllib's urljoin drops empty parameters and queries,
    and control characters; here every byte stays, or is refused later.
    """
    if _SCHEME.match(_encode(reference)):
        return reference
    if reference.startswith("//"):
        return f"{base.scheme}:{reference}"
    if not reference:
        return f"{base.origin}{base.target}"
    if reference.startswith("?"):
        return f"{base.origin}{base.path}{reference}"
    path, mark, query = reference.partition("?")
    if not path.startswith("/"):
        path = f"{base.path.rpartition('/')[0]}/{path}"
    return f"{base.origin}{_remove_dot_segments(path)}{mark}{query}"


def _remove_dot_segments(path: str) -> str:
    """Return a path that begins with a slash without its . and .. (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise InvalidUrl("The link contains a character that cannot be encoded.") from exc


def _parse_scheme(link: bytes) -> str:
    match = _SCHEME.match(link)
    if match is None:
        raise InvalidUrl("The link does not begin with https:// or http://.")
    scheme = match[1].decode("ascii").lower()
    if scheme not in _DEFAULT_PORTS:
        if re.match(rb"[^:/]*\.[^:/]*:[0-9]", link):  # example.com:8080/film.mp4
            raise InvalidUrl("The link does not begin with https:// or http://.")
        raise UnsupportedScheme(f"The link begins with {scheme[:40]}:, not with https: or http:.")
    return scheme


def _parse_userinfo(userinfo: bytes) -> str:
    user, colon, password = userinfo.partition(b":")
    # Without a password it is more likely a host that the link only pretends to lead to.
    if not user or not colon or not _USERINFO.fullmatch(userinfo):
        raise InvalidUrl("The part of the link before @ is not a user's name and password.")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return f"Basic {b64encode(pair).decode('ascii')}"


def _parse_hostport(hostport: bytes) -> tuple[str, int | None]:
    """Return the host in its one canonical form, and the port where one is given."""
    if hostport.startswith(b"["):
        literal, bracket, rest = hostport[1:].partition(b"]")
        if not bracket or (rest and not rest.startswith(b":")):
            raise InvalidUrl("The link's IPv6 address is not properly in brackets.")
        return _parse_ipv6(literal), _parse_port(rest[1:])
    name, _, port = hostport.partition(b":")
    return _parse_name(name), _parse_port(port)


def _parse_ipv6(literal: bytes) -> str:
    try:
        address = IPv6Address(literal.decode("ascii"))
    except (AddressValueError, UnicodeDecodeError) as exc:
        raise InvalidUrl("The address in brackets is not an IPv6 address.") from exc
    if address.scope_id is not None:
        raise InvalidUrl("An IPv6 address in a link cannot have a zone.")
    mapped = address.ipv4_mapped
    if mapped is None:
        return address.compressed
    high, low = divmod(int(mapped), 2**16)  # as browsers write it; Python, from 3.13 on, otherwise
    return f"::ffff:{high:x}:{low:x}"


def _parse_name(name: bytes) -> str:
    """Return a host name in lower-case ASCII, or a canonical IPv4 address."""
    try:
        # The one place where the link is not taken as it stands: names beyond ASCII have
        # a canonical form (RFC 5891), in which full-width digits become an address.
        host = URL.build(scheme="http", host=name.decode("utf-8")).raw_host or ""
    except (ValueError, UnicodeError) as exc:
        raise InvalidUrl("The link's host name is not valid.") from exc
    host = host.lower()
    labels = host.removesuffix(".").split(".")
    if len(host) > 254 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidUrl("The link's host name is missing or not valid.")
    if _ends_in_number(host):
        is_canonical = name.isascii() and len(labels) == 4 and not host.endswith(".")
        if not is_canonical or not all(_OCTET.fullmatch(o) and int(o) < 256 for o in labels):
            raise InvalidUrl("A numeric host must be four decimal numbers, as in 192.0.2.1.")
    return host


def _ends_in_number(host: str) -> bool:
    """Tell whether programs may read a host as an IPv4 address (WHATWG URL, section 3.5)."""
    return _NUMERIC_LABEL.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


def _parse_port(port: bytes) -> int | None:
    if not port:
        return None
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise InvalidUrl("The link's port is not a number from 1 to 65535.")
    return int(port)
