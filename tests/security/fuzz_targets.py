"""What must hold for any input: one function for each parser that strangers write to.

Each takes bytes, and raises only if something does not hold. Hypothesis runs
them in test_fuzz, atheris in tools/fuzz.py.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import ada_url
from multidict import CIMultiDict
from yarl import URL

from streamproxy.errors import BlockedTarget, InvalidUrl, NotMedia, ProxyError, UnsupportedScheme
from streamproxy.log_formats import clean_line
from streamproxy.protocol.fields import metadata
from streamproxy.protocol.filenames import clean_filename, content_disposition, find_filename
from streamproxy.protocol.heads import UpstreamHead, read_ask, upstream_fields
from streamproxy.protocol.media_types import OCTET_STREAM, decide_media_type, is_media
from streamproxy.protocol.plan import plan_response, should_ask_again
from streamproxy.protocol.ranges import MAX_POS
from streamproxy.targets.links import Link, join_link, parse_link
from streamproxy.targets.policy import TargetPolicy, check_address

Target = Callable[[bytes], object]

_DECEIVING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE = re.compile(r"[\t\x20-\x7e]*")  # what a field's value may be
_BASE = parse_link("http://user:pass@base.example:8080/a/b?c")


def _text(data: bytes) -> str:
    """Return what aiohttp makes of bytes in a head, and the query's parser of escapes."""
    return data.decode("utf-8", "surrogateescape")


def parse_links(data: bytes) -> None:
    """A link is refused for what it is, or can be read in one way only."""
    text = _text(data)
    try:
        link = parse_link(text)
    except (InvalidUrl, UnsupportedScheme):
        return
    _hold_link(link)
    assert parse_link(data) == link
    _hold_that_others_agree(text, link)


def join_links(data: bytes) -> None:
    """So is where a redirect leads; credentials stay with their origin."""
    location = _text(data)
    try:
        link = join_link(_BASE, location)
    except (InvalidUrl, UnsupportedScheme):
        return
    _hold_link(link)
    if link.authorization == _BASE.authorization:
        assert link.origin == _BASE.origin or "@" in location
    if link.origin == _BASE.origin and "@" not in location:
        assert link.authorization == _BASE.authorization
    try:
        whatwg = ada_url.URL(location.strip(" \t"), base=f"{_BASE.origin}{_BASE.target}")
    except (ValueError, UnicodeEncodeError):
        return
    assert _same_host(whatwg.hostname, link.host)
    assert whatwg.protocol == f"{link.scheme}:"
    assert int(whatwg.port or 0) == _given_port(link)


def _hold_link(link: Link) -> None:
    assert re.fullmatch(r"/[\x21-\x7e]*", link.target)
    assert "#" not in link.target
    assert re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+", link.host)
    assert 1 <= link.port <= 65535
    again = parse_link(f"{link.origin}{link.target}")
    assert (again.scheme, again.host, again.port, again.target) == (
        *(link.scheme, link.host, link.port, link.target),
    )
    assert str(link.url) == f"{link.origin}{link.target}"
    assert link.url.raw_host == link.host
    if link.authorization is not None:
        assert re.fullmatch(r"Basic [A-Za-z0-9+/]+=*", link.authorization)
        assert link.authorization not in f"{link} {link!r}"
    last_label = link.host.removesuffix(".").rpartition(".")[2]
    is_number = ":" in link.host or re.fullmatch("[0-9]+|0x[0-9a-f]*", last_label) is not None
    assert is_number == (link.address is not None)  # no resolver takes a name for a number


def _hold_that_others_agree(text: str, link: Link) -> None:
    """Hold that no other program reads another host, port or scheme: it may only refuse."""
    shown = text.strip(" \t\r\n\f")
    try:  # the WHATWG's rules, as browsers have them
        whatwg = ada_url.URL(shown)
        assert whatwg.protocol == f"{link.scheme}:"
        assert _same_host(whatwg.hostname, link.host)
        assert int(whatwg.port or 0) == _given_port(link)
    except (ValueError, UnicodeEncodeError):
        pass
    try:  # RFC 3986, as Python's own library has it
        split = urlsplit(shown)
        hostname, port = split.hostname or "", split.port
    except ValueError:
        pass
    else:
        assert split.scheme == link.scheme
        if hostname.isascii():
            assert _same_host(hostname, link.host)
        assert port in (None, link.port)
    try:  # what aiohttp would make of it
        url = URL(shown)
    except (ValueError, UnicodeError):
        pass
    else:
        assert _same_host(url.raw_host or "", link.host)
        assert (url.scheme, url.port) == (link.scheme, link.port)


def _given_port(link: Link) -> int:
    """Return the port as the WHATWG shows it: 0 for the scheme's own."""
    return 0 if link.port == {"http": 80, "https": 443}[link.scheme] else link.port


def _same_host(theirs: str, ours: str) -> bool:
    theirs = theirs.strip("[]").lower()
    if ":" in theirs:
        return ip_address(theirs) == ip_address(ours)
    return theirs == ours


def check_addresses(data: bytes) -> None:
    """An address is refused, or one that the interpreter does not call private either."""
    given: object = _text(data)
    if len(data) in (4, 16):  # its bytes, rather than its text
        given = str(ip_address(data))
    try:
        check_address(str(given), 80, TargetPolicy())
    except BlockedTarget:
        return
    address = ip_address(str(given))
    for found in (address, getattr(address, "ipv4_mapped", None) or address):
        assert not found.is_private
        assert not found.is_loopback
        assert not found.is_link_local
        assert not found.is_multicast
        assert not found.is_unspecified


def offer_names(data: bytes) -> None:
    """Any name is offered on one line of ASCII, and what is found leads to no folder."""
    text = _text(data)
    _hold_disposition(content_disposition(text))
    field, _, path = text.partition("\n")
    for found in (find_filename(field, path), find_filename(None, path), clean_filename(text)):
        if found is None:
            continue
        assert 0 < len(found) <= 200
        assert not re.search(r"[/\\\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", found)
        assert not found.startswith(".")
        _hold_disposition(content_disposition(found))


def _hold_disposition(value: str) -> None:
    quoted, extended = r"[ !#$&-\[\]-~]*", r"[\w.~%-]*"
    form = rf"inline(; filename=\"{quoted}\"(; filename\*=UTF-8''{extended})?)?"
    assert re.fullmatch(form, value, re.ASCII)


def decide_types(data: bytes) -> None:
    """A type is refused, or on the list."""
    declared, _, rest = data.partition(b"\n")
    name, _, body = rest.partition(b"\n")
    for first_bytes in (None, body, b""):
        try:
            found = decide_media_type(_text(declared) or None, _text(name) or None, first_bytes)
        except NotMedia as refusal:
            _hold_fields({"Detail": refusal.detail})
            continue
        assert is_media(found) or found == OCTET_STREAM
        assert re.fullmatch(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", found)
        assert found == "application/dash+xml" or not found.endswith("+xml")


def plan_answers(data: bytes) -> None:
    """Any two heads lead to an error of ours, or to a plan that is clean."""
    asked, _, answered = _text(data).partition("\n\n")
    ask = read_ask(_fields(asked.split("\n")))
    sent = ask.range_to_forward
    if sent is not None:
        assert all(int(number) <= MAX_POS for number in re.findall("[0-9]+", str(sent)))
    _hold_fields(upstream_fields(ask, sent))
    status, *lines = answered.split("\n")
    number = int(status) if re.fullmatch("[2-5][0-9][0-9]", status, re.ASCII) else 200
    head = UpstreamHead(number, _fields(lines))
    should_ask_again(ask, head, sent)
    try:
        plan = plan_response(ask, head, sent=sent, max_skip=1000, max_size=10**9)
    except ProxyError as refusal:
        _hold_fields(refusal.fields)
        return
    assert plan.status in (200, 206, 304)
    _hold_fields(plan.fields)
    assert metadata(head.fields).items() <= plan.fields.items()
    assert plan.skip >= 0
    assert plan.length is None or plan.length >= 0


def _hold_fields(fields: dict[str, str]) -> None:
    assert all(_LINE.fullmatch(value) for value in fields.values())


def _fields(lines: list[str]) -> CIMultiDict[str]:
    pairs = (line.partition(":") for line in lines if ":" in line)
    return CIMultiDict((name, value.removeprefix(" ")) for name, _, value in pairs)


def clean_lines(data: bytes) -> None:
    """Anything that is logged stays on its line."""
    cleaned = clean_line(_text(data))
    assert not _DECEIVING.search(cleaned)
    assert len(cleaned.splitlines()) <= 1
    cleaned.encode()  # and can be written
    assert not re.search(r"\?[^\s…]", cleaned)


TARGETS: dict[str, Target] = {
    "link": parse_links,
    "redirect": join_links,
    "address": check_addresses,
    "name": offer_names,
    "type": decide_types,
    "plan": plan_answers,
    "log": clean_lines,
}
