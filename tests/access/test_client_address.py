"""Clients: who they are behind reverse proxies, and what counts as one."""

from ipaddress import ip_network

import pytest

from streamproxy.access.clients import client_address, client_key, forwarded_scheme, is_trusted

TRUSTED = tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/8", "fd00::/8")))

# peer, lines of X-Forwarded-For, the client
WALKS: list[tuple[str, list[str], str]] = [
    ("127.0.0.1", [], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
    # Only what a trusted proxy wrote is believed: the last item, then on from there.
    ("127.0.0.1", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
    ("127.0.0.1", ["1.1.1.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    ("127.0.0.1", ["203.0.113.7, fd00::1, 10.1.2.3"], "203.0.113.7"),
    ("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
    ("203.0.113.1", ["1.1.1.1"], "203.0.113.1"),
    ("9.255.255.255", ["1.1.1.1"], "9.255.255.255"),
    ("10.0.0.0", ["1.1.1.1"], "1.1.1.1"),
    # Lines are one list.
    ("127.0.0.1", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
    ("127.0.0.1", ["203.0.113.7", "10.1.2.3"], "203.0.113.7"),
    # Ports, brackets, zones, wrapped addresses.
    ("127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
    ("127.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
    ("127.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
    ("127.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
    ("127.0.0.1", ["fe80::1%eth0"], "fe80::1"),
    ("127.0.0.1", ["[fe80::1%25eth0]:80"], "fe80::1"),
    ("127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
    ("127.0.0.1", ["203.0.113.7, ::ffff:10.1.2.3"], "203.0.113.7"),
    ("::ffff:127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
    ("fd00::1%eth0", ["203.0.113.7"], "203.0.113.7"),
    # Spaces and empty items.
    ("127.0.0.1", [" \t203.0.113.7\t "], "203.0.113.7"),
    ("127.0.0.1", ["203.0.113.7, ,"], "203.0.113.7"),
    ("127.0.0.1", ["", "203.0.113.7"], "203.0.113.7"),
    ("127.0.0.1", ["", " , ,"], "127.0.0.1"),
    # What is malformed ends the walk at the last good one.
    ("127.0.0.1", ["unknown"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7, unknown"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7, unknown, 10.1.2.3"], "10.1.2.3"),
    ("127.0.0.1", ["1.1.1.1, 203.0.113.07, 10.1.2.3"], "10.1.2.3"),
    ("127.0.0.1", ["203.0.113.7:"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7:80:80"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7:123456"], "127.0.0.1"),
    ("127.0.0.1", ["[203.0.113.7"], "127.0.0.1"),
    ("127.0.0.1", ["[2001:db8::1]x"], "127.0.0.1"),
    ("127.0.0.1", ["[]"], "127.0.0.1"),
    ("127.0.0.1", ['"203.0.113.7"'], "127.0.0.1"),
    ("127.0.0.1", ["3405803783"], "127.0.0.1"),
    ("127.0.0.1", ["٢٠٣.0.113.7"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7/32"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7 1.1.1.1"], "127.0.0.1"),
    ("127.0.0.1", ["203.0.113.7\x00"], "127.0.0.1"),
    # A Unix socket has no address to trust.
    ("", ["203.0.113.7"], ""),
]


@pytest.mark.parametrize(("peer", "lines", "client"), WALKS)
def test_client_is_the_last_that_nobody_trusted_can_have_made_up(
    peer: str, lines: list[str], client: str
) -> None:
    assert client_address(peer, lines, TRUSTED) == client


def test_ten_thousand_items_are_walked_as_far_as_they_are_trusted() -> None:
    assert client_address("10.0.0.1", [",".join(["1.1.1.1"] * 10_000)], TRUSTED) == "1.1.1.1"
    lines = ["203.0.113.7", *["10.0.0.2"] * 10_000]
    assert client_address("10.0.0.1", lines, TRUSTED) == "203.0.113.7"
    assert client_address("10.0.0.1", ["," * 10_000], TRUSTED) == "10.0.0.1"


def test_nobody_is_trusted_where_no_network_is_named() -> None:
    assert client_address("127.0.0.1", ["203.0.113.7"], ()) == "127.0.0.1"
    assert not is_trusted("127.0.0.1", ())
    assert not is_trusted(None, TRUSTED)
    assert not is_trusted("proxy.example", TRUSTED)


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        ([], None),
        (["https"], "https"),
        ([" HTTPS "], "https"),
        (["http"], "http"),
        (["https, http"], "http"),
        (["https", "http"], "http"),
        (["http, https"], "https"),
        (["https,"], None),
        (["ftp"], None),
        (["javascript"], None),
        ([""], None),
    ],
)
def test_scheme_is_what_the_nearest_proxy_says(lines: list[str], scheme: str | None) -> None:
    assert forwarded_scheme(lines) == scheme


@pytest.mark.parametrize(
    ("remote", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/proxy.sock", "/run/proxy.sock"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_client_is_counted_by_address_or_network(remote: str | None, key: str) -> None:
    assert client_key(remote) == key
