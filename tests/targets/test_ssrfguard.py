"""Held against another table: whatever the package ssrfguard refuses, we refuse too."""

import random
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from ssrfguard import DEFAULT_DENIED, BlockedURLError, Policy

from streamproxy.errors import BlockedTarget, InvalidUrl, UnsupportedScheme
from streamproxy.targets.addresses import AddressClass, classify
from streamproxy.targets.links import parse_link
from streamproxy.targets.policy import TargetPolicy, check_target

# Addresses that it refuses and we permit, each with the reason. There are none.
EXCEPTIONS: dict[str, str] = {}

# All that is special about an address, in one list that is neither table: where to look.
# fmt: off
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32",
    "192.0.0.170/31", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "::/96",
    "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "100:0:0:1::/64", "2000::/3", "2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128",
    "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
    "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48",
    "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]
# fmt: on
# Here the IPv4 address inside decides; Python sees the form alone.
TRANSLATED = ("::ffff:0:0/96", "64:ff9b::/96")
NAT64_AND_THE_LIKE = ("::", "::ffff:", "64:ff9b::")


def sample(network: str, count: int = 40) -> list[IPv4Address | IPv6Address]:
    """Return both ends of a network, their neighbours, and some of what lies between."""
    chance = random.Random(network)  # noqa: S311  # the same each time
    found = ip_network(network)
    first, last = int(found.network_address), int(found.broadcast_address)
    values = {first - 1, first, first + 1, last - 1, last, last + 1}
    values |= {chance.randint(first, last) for _ in range(count)}
    kind = type(found.network_address)
    return [kind(value) for value in sorted(values) if 0 <= value < 2**found.max_prefixlen]


def wrapped(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return an address, and if it is IPv4 its forms within IPv6."""
    if isinstance(address, IPv6Address):
        return [address]
    forms = [IPv6Address(f"{prefix}{address}") for prefix in NAT64_AND_THE_LIKE]
    within_6to4 = IPv6Address(0x2002 << 112 | int(address) << 80)
    inverted = int(address) ^ 0xFFFF_FFFF
    within_teredo = IPv6Address(0x2001_0000_0808_0808 << 64 | inverted)
    return [address, *forms, within_6to4, within_teredo]


@pytest.mark.parametrize("network", SPECIAL)
def test_address_that_ssrfguard_refuses_is_refused(network: str) -> None:
    for address in (form for found in sample(network) for form in wrapped(found)):
        if DEFAULT_DENIED.classify(address).blocked and str(address) not in EXCEPTIONS:
            assert classify(address) is not AddressClass.PUBLIC, address


@pytest.mark.parametrize("whole", ["0.0.0.0/0", "::/0"])
def test_any_address_that_ssrfguard_refuses_is_refused(whole: str) -> None:
    found = sample(whole, 5000)
    refused = [address for address in found if DEFAULT_DENIED.classify(address).blocked]

    assert refused
    assert [address for address in refused if classify(address) is AddressClass.PUBLIC] == []


@pytest.mark.parametrize("network", SPECIAL)
def test_address_that_the_interpreter_calls_special_is_refused(network: str) -> None:
    for address in sample(network):
        is_special = (
            address.is_private
            or address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_reserved
            or address.is_unspecified
        )
        if is_special and not any(address in ip_network(form) for form in TRANSLATED):
            assert classify(address) is not AddressClass.PUBLIC, address


def test_ssrfguard_permits_what_is_refused_here_only_where_that_is_meant() -> None:
    """Keep the other direction in sight: what we refuse and that table does not."""
    meant = [
        ip_network(network)
        for network in (
            "168.63.129.16/32",  # Azure's platform
            "192.0.0.0/24",  # its anycast addresses lead to the nearest gateway
            "2001::/23",  # the same, and identifiers that are no addresses
            "2002::/16",  # 6to4 is deprecated, also with a public address in it
            "::/3",  # not assigned, but for NAT64 and mapped addresses
            "4000::/2",  # not assigned
            "8000::/1",  # not assigned
        )
    ]
    found = [address for network in SPECIAL for address in sample(network)]
    stricter = [
        address
        for address in [*found, ip_address("168.63.129.16"), *sample("::/0", 500)]
        if classify(address) is not AddressClass.PUBLIC
        and not DEFAULT_DENIED.classify(address).blocked
    ]

    assert stricter
    assert [a for a in stricter if not any(a in network for network in meant)] == []


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://①②⑦.⓪.⓪.①/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fe80::1%25eth0]/",
        "http://[::1",
        "http://10.0.0.1\\@example.com/",
        "http://example.com\t.evil/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "http://user@127.0.0.1/",
        "http:///",
        "http://0/",
        "http://255.255.255.255/",
        "http://[ff02::1]/",
    ],
)
def test_link_that_ssrfguard_refuses_is_refused(link: str) -> None:
    with pytest.raises(BlockedURLError):
        Policy().check_url(link)
    with pytest.raises((BlockedTarget, InvalidUrl, UnsupportedScheme)):
        check_target(parse_link(link), TargetPolicy())
