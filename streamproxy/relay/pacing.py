"""Sending within one host, where nothing has to be paced.

Where the system is set to BBR, the kernel gives each packet a time of its own, and sets a timer
for it. Networks need that; between two processes of one host it was three quarters of what
a byte cost.

Source: tcp(7), TCP_CONGESTION.
"""

import socket
from contextlib import suppress

from streamproxy.access.sites import is_loopback

# Of Linux and FreeBSD.
_CONGESTION = getattr(socket, "TCP_CONGESTION", None)
_NAME_LENGTH = 16
# How the names of those algorithms begin that pace.
_PACED = b"bbr"
# One that does not, that every Linux has, and that everybody may choose.
_UNPACED = b"reno"


def is_within_host(own: str, peer: str | None) -> bool:
    """Tell whether what is sent from an address stays on this host.

    :param peer: None: whoever connects to *own*.
    """
    return is_loopback(own) if peer is None else own == peer


def unpace(sock: socket.socket) -> None:
    """Send without pacing what stays on this host; a listening socket: all that it accepts.

    A connection that was paced before costs half of what it did, one that never was a quarter.
    """
    if _CONGESTION is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    with suppress(OSError):  # the client has left, or the system allows no other
        peer = None
        with suppress(OSError):  # a listening socket
            peer = sock.getpeername()[0]
        name = sock.getsockopt(socket.IPPROTO_TCP, _CONGESTION, _NAME_LENGTH)
        if name.startswith(_PACED) and is_within_host(sock.getsockname()[0], peer):
            sock.setsockopt(socket.IPPROTO_TCP, _CONGESTION, _UNPACED)
