"""The addresses that this proxy itself listens on, so that no link leads back to it.

Where the proxy runs inside another server nobody says what it listens on: each request
tells the address that it came to.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from streamproxy.errors import BlockedTarget
from streamproxy.options import Endpoint
from streamproxy.targets.addresses import IPAddress, canonical

# A port that no server listens on; nothing is ever sent to it.
_DISCARD = 9


class OwnEndpoints:
    """What one application listens on, as far as it is known yet."""

    def __init__(self) -> None:
        self._endpoints: set[Endpoint] = set()
        self._wildcard_ports: set[int] = set()
        self._ports: set[int] = set()
        self._seen: set[object] = set()

    def add(self, sockname: object) -> None:
        """Add the local address of a socket, as getsockname returns it.

        That of a Unix socket is text: no link leads there. Every request comes with one, and
        there are as many different ones as this machine has addresses.
        """
        if sockname in self._seen:
            return
        self._seen.add(sockname)
        match sockname:
            case (str(host), int(port), *_):
                address = canonical(ip_address(host.partition("%")[0]))
                self._ports.add(port)
                if address.is_unspecified:
                    self._wildcard_ports.add(port)
                else:
                    self._endpoints.add((address, port))

    def holds(self, ip: IPAddress, port: int) -> bool:
        """Tell whether a connection to this address and port would come to this proxy."""
        if port not in self._ports:
            return False
        address = canonical(ip)
        if (address, port) in self._endpoints:
            return True
        if address.is_unspecified:  # connects to this machine on most systems
            return port in self._wildcard_ports or any(port == own for _, own in self._endpoints)
        return port in self._wildcard_ports and _is_of_this_machine(address)

    def check(self, ip: IPAddress | str, port: int) -> None:
        """Refuse an address that leads back here; one that cannot be read is not known.

        :raises BlockedTarget: it does.
        """
        try:
            address = ip_address(ip) if isinstance(ip, str) else ip
        except ValueError:
            return  # the policy refuses it
        if self.holds(address, port):
            raise BlockedTarget("The link leads back to this proxy.")


def _is_of_this_machine(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of this machine's; nothing is sent to find out.

    The source that the system would choose to reach one of its own addresses is that very
    address. To try to bind to it is no test where net.ipv4.ip_nonlocal_bind is set.
    """
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _DISCARD))
            return ip_address(probe.getsockname()[0]) == address
    except OSError:
        return False  # there is no way to it, or no such family here
