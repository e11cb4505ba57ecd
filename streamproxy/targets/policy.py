"""May this link, may this address be fetched? The one place that decides.

The link is judged before anything is resolved; each address is judged when the resolver
answers and again when a connection to it is about to be made. What wins over what:
deny_host, then allow_host, then what narrows them for one user, then the port, then the
address, where an address that is not public needs allow_network or allow_endpoint. The
table of docs/targets.md says the same, and is tested row by row.
"""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from streamproxy.errors import BlockedTarget
from streamproxy.options import Endpoint
from streamproxy.settings import Settings
from streamproxy.targets.addresses import AddressClass, IPNetwork, canonical, classify
from streamproxy.targets.links import Link

_MAX_REMEMBERED = 1024

# Ports of other protocols, which a request could be made to speak to.
# Source: the WHATWG Fetch standard, section 2.9 ("bad port").
# fmt: off
BAD_PORTS = frozenset({
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 10080,
})
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRule:
    """Which of the owner's hosts one user may fetch from. By default: all of them.

    :param allow_host: patterns of hosts; where there are any, no other host is fetched.
    :param deny_host: patterns of hosts that are never fetched.
    """

    allow_host: tuple[str, ...] = ()
    deny_host: tuple[str, ...] = ()

    def permits(self, host: str) -> bool:
        """Tell whether the rule covers a host."""
        if matches_host(host, self.deny_host):
            return False
        return not self.allow_host or matches_host(host, self.allow_host)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPolicy:
    """What may be fetched. By default: any host, public addresses only.

    :param allow_network: networks that may be reached although not public.
    :param allow_endpoint: addresses and ports that may be reached although not public.
    :param allow_host: patterns of hosts; where there are any, no other host is fetched.
    :param deny_host: patterns of hosts that are never fetched.
    :param rules: what narrows all this for one user; each must permit a host as well.
    """

    allow_network: tuple[IPNetwork, ...] = ()
    allow_endpoint: tuple[Endpoint, ...] = ()
    allow_host: tuple[str, ...] = ()
    deny_host: tuple[str, ...] = ()
    rules: tuple[HostRule, ...] = ()
    # Hosts and ports that were permitted: a player asks for a hundred parts of one file.
    _permitted: set[tuple[str, int]] = field(
        init=False, repr=False, compare=False, default_factory=set
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> "TargetPolicy":
        """Return the policy that the settings describe."""
        return cls(
            allow_network=settings.allow_network,
            allow_endpoint=settings.allow_endpoint,
            allow_host=settings.allow_host,
            deny_host=settings.deny_host,
        )

    def narrowed(self, rule: HostRule) -> "TargetPolicy":
        """Return the policy under which *rule* must permit a host too; it opens nothing."""
        return replace(self, rules=(*self.rules, rule))


def check_target(link: Link, policy: TargetPolicy) -> None:
    """Refuse a link whose host, port or literal address the policy excludes.

    :raises BlockedTarget: with the reason.
    """
    permitted = policy._permitted  # noqa: SLF001  # nobody else's
    if (link.host, link.port) in permitted:
        return
    # An address in its one form, as the patterns have it.
    host = link.host if link.address is None else str(canonical(link.address))
    if matches_host(host, policy.deny_host):
        raise BlockedTarget("The owner of this proxy does not permit this host.")
    if policy.allow_host and not matches_host(host, policy.allow_host):
        raise BlockedTarget("The owner of this proxy permits only certain hosts.")
    if not all(rule.permits(host) for rule in policy.rules):
        raise BlockedTarget("Your access does not cover this host.")
    if link.port in BAD_PORTS:
        raise BlockedTarget(f"Port {link.port} belongs to another protocol.")
    if link.address is not None:
        check_address(link.address, link.port, policy)
    if len(permitted) >= _MAX_REMEMBERED:
        permitted.clear()
    permitted.add((link.host, link.port))


def check_address(ip: IPv4Address | IPv6Address | str, port: int, policy: TargetPolicy) -> None:
    """Refuse an address that is not public, unless the owner permits it.

    :raises BlockedTarget: naming the class of the address, never the address.
    """
    try:
        address = canonical(ip_address(ip) if isinstance(ip, str) else ip)
    except ValueError as exc:
        raise BlockedTarget("The site's address cannot be understood.") from exc
    found = classify(address)
    if found is AddressClass.PUBLIC:
        return
    if any(address in network for network in policy.allow_network):
        return
    if (address, port) in policy.allow_endpoint:
        return
    raise BlockedTarget(f"The link leads to {found.value}.")


def matches_host(host: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a host matches one of the patterns.

    ``example.com`` is that host alone; ``*.example.com`` any host below it; ``*`` any.
    """
    name = host.removesuffix(".")
    return any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))
        for pattern in patterns
    )
