"""Every class of address: the ends of its networks, and the neighbours just outside."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from streamproxy.targets.addresses import AddressClass, canonical, classify, embedded_ipv4

# (network, its class, that of the address before it, that of the address after it);
# None where there is no such address.
NETWORKS: list[tuple[str, str, str | None, str | None]] = [
    ("0.0.0.0/32", "UNSPECIFIED", None, "RESERVED"),
    ("0.0.0.1/32", "RESERVED", "UNSPECIFIED", "RESERVED"),
    ("0.128.0.0/9", "RESERVED", "RESERVED", "PUBLIC"),
    ("10.0.0.0/8", "PRIVATE", "PUBLIC", "PUBLIC"),
    ("100.64.0.0/10", "SHARED", "PUBLIC", "PUBLIC"),
    ("100.96.0.96/32", "METADATA", "SHARED", "SHARED"),
    ("100.100.100.200/32", "METADATA", "SHARED", "SHARED"),
    ("127.0.0.0/8", "LOOPBACK", "PUBLIC", "PUBLIC"),
    ("168.63.129.16/32", "METADATA", "PUBLIC", "PUBLIC"),
    ("169.254.0.0/16", "LINK_LOCAL", "PUBLIC", "PUBLIC"),
    ("169.254.0.23/32", "METADATA", "LINK_LOCAL", "LINK_LOCAL"),
    ("169.254.42.42/32", "METADATA", "LINK_LOCAL", "LINK_LOCAL"),
    ("169.254.169.254/32", "METADATA", "LINK_LOCAL", "LINK_LOCAL"),
    ("169.254.170.2/32", "METADATA", "LINK_LOCAL", "LINK_LOCAL"),
    ("169.254.170.23/32", "METADATA", "LINK_LOCAL", "LINK_LOCAL"),
    ("172.16.0.0/12", "PRIVATE", "PUBLIC", "PUBLIC"),
    ("192.0.0.0/24", "RESERVED", "PUBLIC", "PUBLIC"),
    ("192.0.0.192/32", "METADATA", "RESERVED", "RESERVED"),
    ("192.0.2.0/24", "DOCUMENTATION", "PUBLIC", "PUBLIC"),
    ("192.88.99.0/24", "RESERVED", "PUBLIC", "PUBLIC"),
    ("192.168.0.0/16", "PRIVATE", "PUBLIC", "PUBLIC"),
    ("198.18.0.0/15", "BENCHMARKING", "PUBLIC", "PUBLIC"),
    ("198.51.100.0/24", "DOCUMENTATION", "PUBLIC", "PUBLIC"),
    ("203.0.113.0/24", "DOCUMENTATION", "PUBLIC", "PUBLIC"),
    ("224.0.0.0/4", "MULTICAST", "PUBLIC", "RESERVED"),
    ("240.0.0.0/5", "RESERVED", "MULTICAST", "RESERVED"),
    ("255.255.255.255/32", "BROADCAST", "RESERVED", None),
    ("::/128", "UNSPECIFIED", None, "LOOPBACK"),
    ("::1/128", "LOOPBACK", "UNSPECIFIED", "RESERVED"),
    ("100::/64", "RESERVED", "RESERVED", "RESERVED"),
    ("100:0:0:1::/64", "RESERVED", "RESERVED", "RESERVED"),
    ("2001::/64", "UNSPECIFIED", "PUBLIC", "RESERVED"),
    ("2001:2::/48", "BENCHMARKING", "RESERVED", "RESERVED"),
    ("2001:20::/28", "RESERVED", "RESERVED", "RESERVED"),
    ("2001:100::/24", "RESERVED", "RESERVED", "PUBLIC"),
    ("2001:db8::/32", "DOCUMENTATION", "PUBLIC", "PUBLIC"),
    ("2002:800::/22", "RESERVED", "RESERVED", "RESERVED"),
    ("3fff::/20", "DOCUMENTATION", "PUBLIC", "PUBLIC"),
    ("4000::/3", "RESERVED", "PUBLIC", "RESERVED"),
    ("5f00::/16", "RESERVED", "RESERVED", "RESERVED"),
    ("fc00::/7", "PRIVATE", "RESERVED", "RESERVED"),
    ("fd00:42::42/128", "METADATA", "PRIVATE", "PRIVATE"),
    ("fd00:a9fe:a9fe::1/128", "METADATA", "PRIVATE", "PRIVATE"),
    ("fd00:ec2::23/128", "METADATA", "PRIVATE", "PRIVATE"),
    ("fd00:ec2::254/128", "METADATA", "PRIVATE", "PRIVATE"),
    ("fd20:ce::254/128", "METADATA", "PRIVATE", "PRIVATE"),
    ("fe80::a9fe:a9fe/128", "METADATA", "LINK_LOCAL", "LINK_LOCAL"),
    ("fe80::/10", "LINK_LOCAL", "RESERVED", "PRIVATE"),
    ("fec0::/10", "PRIVATE", "LINK_LOCAL", "MULTICAST"),
    ("ff00::/8", "MULTICAST", "PRIVATE", None),
]


def neighbour(address: IPv4Address | IPv6Address, step: int) -> IPv4Address | IPv6Address:
    return type(address)(int(address) + step)


@pytest.mark.parametrize(("network", "inside", "before", "after"), NETWORKS)
def test_network_ends_where_it_ends(
    network: str, inside: str, before: str | None, after: str | None
) -> None:
    found = ip_network(network)
    first, last = found.network_address, found.broadcast_address

    assert classify(first).name == inside
    assert classify(last).name == inside
    if before is not None:
        assert classify(neighbour(first, -1)).name == before
    if after is not None:
        assert classify(neighbour(last, +1)).name == after


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "93.184.215.14",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2620:4f:8000::1",
        "2a00:1450:4001:81b::200e",
        "3ffe::1",
        "64:ff9b::8.8.8.8",
        "::ffff:8.8.8.8",
    ],
)
def test_public_address_is_public(address: str) -> None:
    assert classify(ip_address(address)) is AddressClass.PUBLIC


def test_every_class_has_a_row() -> None:
    rows = {name for row in NETWORKS for name in row[1:]}

    assert {found.name for found in AddressClass} <= rows


IPV4_FORMS = {
    "mapped": "::ffff:{}",
    "NAT64": "64:ff9b::{}",
    "translated": "::ffff:0:{}",
    "compatible": "::{}",
    "local NAT64": "64:ff9b:1::{}",
    "local NAT64, its end": "64:ff9b:1:ffff:ffff:ffff:{}",
    "ISATAP": "2001:470:1:2:0:5efe:{}",
    "ISATAP, universal": "2001:470:1:2:200:5efe:{}",
}
INNER = {
    "127.0.0.1": "LOOPBACK",
    "10.1.2.3": "PRIVATE",
    "169.254.1.1": "LINK_LOCAL",
    "169.254.169.254": "METADATA",
    "100.64.0.1": "SHARED",
    "224.0.0.1": "MULTICAST",
    "255.255.255.255": "BROADCAST",
    "192.0.2.1": "DOCUMENTATION",
    "198.18.0.1": "BENCHMARKING",
    "240.0.0.1": "RESERVED",
}


@pytest.mark.parametrize("form", IPV4_FORMS.values(), ids=IPV4_FORMS.keys())
@pytest.mark.parametrize(("inner", "expected"), INNER.items())
def test_ipv4_in_ipv6_is_no_more_public_than_itself(form: str, inner: str, expected: str) -> None:
    assert classify(IPv6Address(form.format(inner))).name == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param("::ffff:{}", "PUBLIC", id="mapped"),
        pytest.param("64:ff9b::{}", "PUBLIC", id="NAT64"),
        pytest.param("2001:470:1:2:0:5efe:{}", "PUBLIC", id="ISATAP"),
        pytest.param("::ffff:0:{}", "RESERVED", id="translated"),
        pytest.param("::{}", "RESERVED", id="compatible"),
        pytest.param("64:ff9b:1::{}", "RESERVED", id="local NAT64"),
        pytest.param("64:ff9b::1:{}", "RESERVED", id="just outside NAT64"),
        pytest.param("64:ff9b:2::{}", "RESERVED", id="just outside local NAT64"),
        pytest.param("::fffe:{}", "RESERVED", id="just outside mapped"),
        pytest.param("2001:470:1:2:0:5eff:{}", "PUBLIC", id="just outside ISATAP"),
    ],
)
def test_public_ipv4_in_ipv6(form: str, expected: str) -> None:
    assert classify(IPv6Address(form.format("8.8.8.8"))).name == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("2002:7f00:1::", "LOOPBACK", id="6to4 of a loopback address"),
        pytest.param("2002:a01:203::1", "PRIVATE", id="6to4 of a private address"),
        pytest.param("2002:a9fe:a9fe::", "METADATA", id="6to4 of a metadata service"),
        pytest.param("2002:808:808::", "RESERVED", id="6to4 of a public address"),
        pytest.param("2001:0:7f00:1:0:0:f7f7:f7f7", "LOOPBACK", id="Teredo server"),
        pytest.param("2001:0:808:808:0:0:80ff:fffe", "LOOPBACK", id="Teredo client, inverted"),
        pytest.param("2001:0:808:808:0:0:f5fe:fdfc", "PRIVATE", id="Teredo client, private"),
        pytest.param("2001:0:808:808:0:0:f7f7:f7f7", "RESERVED", id="Teredo, both public"),
        pytest.param("fe80::5efe:8.8.8.8", "LINK_LOCAL", id="ISATAP on a link"),
        pytest.param("fd00::5efe:127.0.0.1", "PRIVATE", id="ISATAP in a private network"),
        pytest.param("fe80::1%eth0", "LINK_LOCAL", id="a zone"),
        pytest.param("2001:4860:4860::8888%eth0", "LINK_LOCAL", id="a zone on a public address"),
        pytest.param("::ffff:8.8.8.8%1", "LINK_LOCAL", id="a zone on a mapped address"),
    ],
)
def test_other_forms(address: str, expected: str) -> None:
    assert classify(ip_address(address)).name == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("::ffff:127.0.0.1", []),
        ("2001:4860:4860::8888", []),
        ("::1.2.3.4", ["1.2.3.4"]),
        ("64:ff9b:1::1.2.3.4", ["1.2.3.4"]),
        ("::ffff:0:1.2.3.4", ["1.2.3.4"]),
        ("2002:102:304::", ["1.2.3.4"]),
        ("2001:0:102:304::fefd:fcfb", ["1.2.3.4", "1.2.3.4"]),
        ("2a00::200:5efe:102:304", ["1.2.3.4"]),
    ],
)
def test_embedded_addresses(address: str, expected: list[str]) -> None:
    assert [str(found) for found in embedded_ipv4(IPv6Address(address))] == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:0:127.0.0.1", "::ffff:0:7f00:1"),
        ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
        ("::1", "::1"),
    ],
)
def test_only_mapped_is_another_spelling(address: str, expected: str) -> None:
    assert str(canonical(ip_address(address))) == expected


def edges(*, ipv6: bool) -> list[IPv4Address | IPv6Address]:
    """Return the ends of the networks above, and their neighbours."""
    networks = [ip_network(row[0]) for row in NETWORKS]
    highest = 2 ** (128 if ipv6 else 32) - 1
    values = {
        int(end) + step
        for network in networks
        if isinstance(network, IPv6Network if ipv6 else IPv4Network)
        for end in (network.network_address, network.broadcast_address)
        for step in (-1, 0, 1)
    }
    kind = IPv6Address if ipv6 else IPv4Address
    return [kind(value) for value in sorted(values) if 0 <= value <= highest]


@pytest.mark.parametrize("address", edges(ipv6=False) + edges(ipv6=True), ids=str)
def test_agrees_with_the_interpreter_wherever_that_refuses(
    address: IPv4Address | IPv6Address,
) -> None:
    if classify(address) is AddressClass.PUBLIC:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("ff0e::1", id="global multicast"),
        pytest.param("168.63.129.16", id="Azure's platform"),
        pytest.param("64:ff9b::7f00:1", id="NAT64 of loopback"),
        pytest.param("64:ff9b::a9fe:a9fe", id="NAT64 of a metadata service"),
        pytest.param("::7f00:1", id="compatible with loopback"),
        pytest.param("::ffff:0:7f00:1", id="translated loopback"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("2002:7f00:1::", id="6to4 of loopback"),
        pytest.param("2001:470:1:2:0:5efe:7f00:1", id="ISATAP of loopback"),
        pytest.param("3fff::1", id="documentation"),
        pytest.param("5f00::1", id="segment routing"),
        pytest.param("4000::1", id="not assigned"),
        pytest.param("192.88.99.1", id="6to4 relay"),
    ],
)
def test_refuses_what_some_interpreters_call_global(address: str) -> None:
    assert classify(ip_address(address)) is not AddressClass.PUBLIC
