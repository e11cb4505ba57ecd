"""Where a request comes from: the client behind reverse proxies, and what counts as one."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from re import compile as compile_pattern

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_WITH_PORT = compile_pattern(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_SUBSCRIBER_BITS = 64  # of IPv6: the least that one subscriber gets (RFC 6177)


def parse_address(text: str | None) -> Address | None:
    """Return the one form of an address: no zone, and IPv4 where IPv6 only wraps it.

    None where the text is no address.
    """
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def client_key(remote: str | None) -> str:
    """Return what one client is counted by: its IPv4 address, or its IPv6 network (/64).

    :param remote: as request.remote; what is no address, such as the path of a Unix socket,
        stands for itself.
    """
    address = parse_address(remote)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _SUBSCRIBER_BITS), strict=False))
    return remote or "unknown" if address is None else str(address)


def is_trusted(peer: str | None, networks: Sequence[Network]) -> bool:
    """Tell whether an address lies in one of the networks."""
    address = parse_address(peer)
    return address is not None and any(address in network for network in networks)


def client_address(peer: str, forwarded_for: Iterable[str], networks: Sequence[Network]) -> str:
    """Return the address of the client, seen past the reverse proxies that are trusted.

    Each proxy adds the address of whoever connected to it at the end of X-Forwarded-For, so
    the field is read from there, and only as long as who added an item is trusted. What is
    malformed ends the walk: beyond it nobody knows who wrote what.

    :param peer: the address that connected.
    :param forwarded_for: the values of the field's lines, in their order.
    """
    client = peer
    for item in reversed(",".join(forwarded_for).split(",")):
        if not is_trusted(client, networks):
            break
        if not (node := item.strip(" \t")):
            continue  # empty items of a list say nothing (RFC 9110, section 5.6.1.2)
        address = _parse_node(node)
        if address is None:
            break
        client = str(address)
    return client


def _parse_node(text: str) -> Address | None:
    """Return the address in an item, which may have a port: 192.0.2.1:80, [2001:db8::1]:80."""
    match = _WITH_PORT.fullmatch(text)
    return parse_address(match[1] or match[2] if match else text)


def forwarded_scheme(forwarded_proto: Iterable[str]) -> str | None:
    """Return the scheme that the nearest proxy says, or None where it says none.

    :param forwarded_proto: the values of X-Forwarded-Proto's lines, in their order.
    """
    scheme = ",".join(forwarded_proto).rpartition(",")[2].strip(" \t").lower()
    return scheme if scheme in ("http", "https") else None
