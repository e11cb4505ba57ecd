"""What kind of address is this? One table, from the IANA registries.

``ipaddress.is_global`` is not asked: it calls multicast, ``64:ff9b::127.0.0.1``,
``::127.0.0.1``, ``fec0::/10`` or ``2002:7f00:1::`` global on some or all versions of
Python, and a policy must not change with the interpreter.

Three prefixes of those registries stay public, as the registries say: the sinks for reverse
look-ups of AS112 (192.31.196.0/24, 192.175.48.0/24, 2620:4f:8000::/48) and the relays of AMT
(192.52.193.0/24) stand in the open internet. The ones within 192.0.0.0/24 and 2001::/23 are
refused with those: they lead to the nearest gateway, or to no machine at all.

Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), RFC 4291,
and the cloud providers' pages on their metadata services.
"""

import enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class AddressClass(enum.Enum):
    """Why an address may not be reached; only PUBLIC may."""

    PUBLIC = "a public address"
    LOOPBACK = "a loopback address"
    PRIVATE = "an address of a private network"
    LINK_LOCAL = "a link-local address"
    SHARED = "an address of a carrier's shared network"
    METADATA = "the address of a cloud's metadata service"
    MULTICAST = "a multicast address"
    BROADCAST = "the broadcast address"
    DOCUMENTATION = "an address reserved for documentation"
    BENCHMARKING = "an address reserved for benchmarks"
    UNSPECIFIED = "the unspecified address"
    RESERVED = "a reserved address"


# In both tables the first network that holds the address decides.
_IPV4 = tuple(
    (IPv4Network(network), address_class)
    for network, address_class in (
        ("169.254.169.254/32", AddressClass.METADATA),  # AWS, Google Cloud, Azure, ...
        ("168.63.129.16/32", AddressClass.METADATA),  # Azure's platform, in public space
        ("169.254.170.2/32", AddressClass.METADATA),  # AWS, credentials of a container
        ("169.254.170.23/32", AddressClass.METADATA),  # AWS, credentials of a pod
        ("169.254.0.23/32", AddressClass.METADATA),  # Tencent Cloud
        ("169.254.42.42/32", AddressClass.METADATA),  # Scaleway
        ("100.100.100.200/32", AddressClass.METADATA),  # Alibaba Cloud
        ("100.96.0.96/32", AddressClass.METADATA),  # Volcano Engine
        ("192.0.0.192/32", AddressClass.METADATA),  # Oracle Cloud
        ("0.0.0.0/32", AddressClass.UNSPECIFIED),
        ("0.0.0.0/8", AddressClass.RESERVED),  # "this network": Linux connects to itself
        ("10.0.0.0/8", AddressClass.PRIVATE),
        ("100.64.0.0/10", AddressClass.SHARED),
        ("127.0.0.0/8", AddressClass.LOOPBACK),
        ("169.254.0.0/16", AddressClass.LINK_LOCAL),
        ("172.16.0.0/12", AddressClass.PRIVATE),
        ("192.0.0.0/24", AddressClass.RESERVED),  # IETF protocol assignments
        ("192.0.2.0/24", AddressClass.DOCUMENTATION),
        ("192.88.99.0/24", AddressClass.RESERVED),  # 6to4 relays, deprecated (RFC 7526)
        ("192.168.0.0/16", AddressClass.PRIVATE),
        ("198.18.0.0/15", AddressClass.BENCHMARKING),
        ("198.51.100.0/24", AddressClass.DOCUMENTATION),
        ("203.0.113.0/24", AddressClass.DOCUMENTATION),
        ("224.0.0.0/4", AddressClass.MULTICAST),
        ("255.255.255.255/32", AddressClass.BROADCAST),
        ("240.0.0.0/4", AddressClass.RESERVED),
    )
)
_IPV6 = tuple(
    (IPv6Network(network), address_class)
    for network, address_class in (
        ("fd00:ec2::254/128", AddressClass.METADATA),  # AWS
        ("fd00:ec2::23/128", AddressClass.METADATA),  # AWS, credentials of a pod
        ("fd20:ce::254/128", AddressClass.METADATA),  # Google Cloud
        ("fd00:a9fe:a9fe::1/128", AddressClass.METADATA),  # Linode
        ("fd00:42::42/128", AddressClass.METADATA),  # Scaleway
        ("fe80::a9fe:a9fe/128", AddressClass.METADATA),  # OpenStack
        ("::/128", AddressClass.UNSPECIFIED),
        ("::1/128", AddressClass.LOOPBACK),
        ("fc00::/7", AddressClass.PRIVATE),
        ("fe80::/10", AddressClass.LINK_LOCAL),
        ("fec0::/10", AddressClass.PRIVATE),  # site-local, deprecated (RFC 3879)
        ("ff00::/8", AddressClass.MULTICAST),
        ("2001:2::/48", AddressClass.BENCHMARKING),
        ("2001:db8::/32", AddressClass.DOCUMENTATION),
        ("3fff::/20", AddressClass.DOCUMENTATION),
        ("2001::/23", AddressClass.RESERVED),  # IETF protocol assignments, Teredo among them
        ("2002::/16", AddressClass.RESERVED),  # 6to4, deprecated (RFC 7526)
        ("2000::/3", AddressClass.PUBLIC),  # global unicast; all else is not assigned
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP_MARKS = (0x0000_5EFE, 0x0200_5EFE)


@lru_cache(maxsize=1024)
def classify(ip: IPAddress) -> AddressClass:
    """Return the class of an address, looking through every form of IPv4 inside IPv6.

    An IPv6 address that leads to an IPv4 address is never more public than that one.
    """
    if isinstance(ip, IPv4Address):
        return next((found for net, found in _IPV4 if ip in net), AddressClass.PUBLIC)
    if ip.scope_id is not None:  # a zone: meaningful on this machine's own links only
        return AddressClass.LINK_LOCAL
    if ip in _MAPPED or ip in _NAT64:
        return classify(_low_ipv4(ip))
    outer = next((found for net, found in _IPV6 if ip in net), AddressClass.RESERVED)
    if outer in (AddressClass.PUBLIC, AddressClass.RESERVED):
        inner = (classify(embedded) for embedded in embedded_ipv4(ip))
        return next((found for found in inner if found is not AddressClass.PUBLIC), outer)
    return outer


def canonical(ip: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv4-mapped one is another spelling of, else *ip*."""
    return _low_ipv4(ip) if isinstance(ip, IPv6Address) and ip in _MAPPED else ip


def embedded_ipv4(ip: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that the form of an IPv6 address holds.

    Source: RFC 4291 (compatible), 2765 (translated), 6052 and 8215 (NAT64),
    3056 (6to4), 4380 (Teredo: the server, and the client with its bits inverted),
    5214 (ISATAP).
    """
    value = int(ip)
    if ip in _6TO4:
        return [IPv4Address(value >> 80 & 0xFFFF_FFFF)]
    if ip in _TEREDO:
        return [IPv4Address(value >> 64 & 0xFFFF_FFFF), IPv4Address(~value & 0xFFFF_FFFF)]
    if ip in _TRANSLATED or ip in _COMPATIBLE or ip in _NAT64_LOCAL:
        return [_low_ipv4(ip)]
    if value >> 32 & 0xFFFF_FFFF in _ISATAP_MARKS:
        return [_low_ipv4(ip)]
    return []


def _low_ipv4(ip: IPv6Address) -> IPv4Address:
    return IPv4Address(int(ip) & 0xFFFF_FFFF)
