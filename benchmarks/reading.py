"""A client as thin as can be: one blocking connection, heads looked at, bodies compared.

Its own work is inside what it measures, the same for every peer.
"""

import re
import socket
import time
from typing import Self
from urllib.parse import urlsplit

from film import Film, WrongBytes

TIMEOUT_S = 60.0
# What is read at once: as much as a socket on loopback mostly has.
_BUFFER_SIZE = 256 * 1024


def request_line(url: str) -> tuple[str, int, bytes]:
    """Return host, port and the first two lines of a request."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    return parts.hostname or "", parts.port or 80, head.encode("ascii")


def check_head(head: bytes, expected: int, first_pos: int | None, size: int) -> None:
    """Refuse a head that does not announce what was asked for.

    :param expected: bytes of the body.
    :param first_pos: of the range; None: no range was asked for.
    :raises WrongBytes: with its first line.
    """
    status, _, lines = head.decode("latin-1").partition("\r\n")
    fields = dict(re.findall(r"(?m)^([^:\r\n]+):[ \t]*([^\r\n]*)", lines.lower()))
    is_right = status.split()[1] == ("200" if first_pos is None else "206")
    is_right &= fields.get("content-length") == str(expected)
    if first_pos is not None:
        announced = f"bytes {first_pos}-{first_pos + expected - 1}/{size}"
        is_right &= fields.get("content-range") == announced
    if not is_right:
        raise WrongBytes(f"not what was asked for: {status}")


class Wire:
    """One connection to a peer.

    :param film: what comes is compared with it.
    :param receive_buffer: what the kernel may keep; None: as much as it likes.
    """

    def __init__(self, url: str, film: Film, *, receive_buffer: int | None = None) -> None:
        host, port, self._head = request_line(url)
        self._film = film
        self._buffer = bytearray(_BUFFER_SIZE)
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave, wherever the response is."""
        self._socket.close()

    def ask_once(self) -> bytes:
        """Ask, and return all that comes until the connection ends."""
        self._socket.sendall(self._head + b"Connection: close\r\n\r\n")
        with self._socket.makefile("rb") as answer:
            return answer.read()

    def fetch(
        self, first_pos: int | None = None, length: int | None = None, *, take: int | None = None
    ) -> float:
        """Ask, compare what comes, and return the seconds until the first bytes of the body.

        :param first_pos: of a range; None: the whole file.
        :param length: of the range; None: to the end.
        :param take: bytes after which to read no more; None: all.
        :raises WrongBytes: the head or the body is not the right one.
        """
        pos = first_pos or 0
        expected = self._film.size - pos if length is None else length
        end = b"" if length is None else b"%d" % (pos + length - 1)
        asked = b"" if first_pos is None else b"Range: bytes=%d-%b\r\n" % (pos, end)
        started = time.perf_counter()
        self._socket.sendall(self._head + asked + b"\r\n")
        head, received = self._read_head()
        check_head(head, expected, first_pos, self._film.size)
        first_at = 0.0
        body_start = len(head)
        left = expected if take is None else take
        while True:
            if received:
                first_at = first_at or time.perf_counter()
                if take is None and received > left:
                    raise WrongBytes("more bytes than announced")
                self._film.check(self._buffer, received, pos, body_start)
                pos, left = pos + received, left - received
            if left <= 0:
                return first_at - started
            received, body_start = self._socket.recv_into(self._buffer, min(left, _BUFFER_SIZE)), 0
            if not received:
                raise WrongBytes(f"the connection ended {left} bytes early")

    def _read_head(self) -> tuple[bytes, int]:
        """Return a head, which stays at the buffer's start, and how many bytes follow it."""
        received = 0
        while True:
            count = self._socket.recv_into(memoryview(self._buffer)[received:])
            if not count:
                raise WrongBytes("the connection ended before a head")
            received += count
            end = self._buffer.find(b"\r\n\r\n", 0, received) + 4
            if end >= 4:
                return bytes(self._buffer[:end]), received - end
