"""Tell whoever supervises this process how it is; take over sockets that they listen on.

systemd supervises by datagrams, and so does workers.py: a worker tells its parent in the
same words what the program tells systemd.

Source: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from streamproxy.errors import SettingsError

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
# What a supervisor of ours says to a worker: others serve from now on, so that it is to end
# with its streams; or, to end them at once.
RETIRE = b"RETIRE"
ABORT = b"ABORT"
# Seconds between two signs of life where nobody asks for more.
_INTERVAL = 5.0
_FIRST_FD = 3  # SD_LISTEN_FDS_START


class Notifier:
    """Sends states to whoever supervises this process.

    A state that cannot be sent is lost: a supervisor that does not listen is no reason not to
    serve.

    :param connection: where states go to; None: nobody supervises.
    :param address: of the supervisor; empty: the connection is a pair's, and its end is the
        end of the supervisor.
    :param interval_s: seconds between two signs of life.
    """

    def __init__(
        self,
        connection: socket.socket | None = None,
        address: str = "",
        *,
        interval_s: float = _INTERVAL,
    ) -> None:
        self.connection = connection
        self.interval_s = interval_s
        self._address = address
        if connection is not None:
            connection.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> "Notifier":
        """Return what notifies the systemd that started this process, if one did.

        Its variables are taken out, so that no other process takes them for its own.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        pid = environment.pop("WATCHDOG_PID", "")
        timeout_us = environment.pop("WATCHDOG_USEC", "")
        if address[:1] not in {"/", "@"} or not hasattr(socket, "AF_UNIX"):
            return cls()
        interval_s = _INTERVAL
        if timeout_us.isdecimal() and pid in ("", str(os.getpid())):
            interval_s = min(interval_s, int(timeout_us) / 2e6)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An @ stands for the zero byte of an address in Linux's abstract namespace.
        return cls(connection, address.replace("@", "\0", 1), interval_s=interval_s)

    def close(self) -> None:
        """Tell nobody any more."""
        if self.connection is not None:
            self.connection.close()

    @property
    def lifeline(self) -> socket.socket | None:
        """Where a supervisor of ours says RETIRE or ABORT, and which ends with it."""
        return None if self._address else self.connection

    def tell(self, *states: str) -> None:
        """Send states, such as READY, together."""
        if self.connection is None:
            return
        data = "\n".join(states).encode()
        with suppress(OSError):
            if self._address:
                self.connection.sendto(data, self._address)
            else:
                self.connection.send(data)


def inherited_sockets(environment: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the listening sockets that systemd opened for this process.

    :raises OSError: there is no such descriptor, or it is no socket.
    :raises SettingsError: one of them is something else.
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    found: list[socket.socket] = []
    for number in range(_FIRST_FD, _FIRST_FD + int(count)):
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
        found.append(sock)
        is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if not is_listening or sock.type != socket.SOCK_STREAM:
            for opened in found:
                opened.close()
            raise SettingsError(f"LISTEN_FDS: descriptor {number} is no listening stream socket")
    return found
