"""Many connections at once: small ranges as fast as they come, and viewers who watch.

Sockets on an epoll, no event loop in between: a client that costs more than nginx would
measure itself.
"""

import random
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from film import Film, WrongBytes
from reading import TIMEOUT_S, check_head, request_line

# One seed: every peer is asked for the same ranges.
_SEED = 9110
# How often a viewer takes what it is to show next; a thousand of them keep one CPU half busy.
_TICK_S = 0.25
# How long a player fills its buffer before it begins.
_START_UP_S = 1.0
# How long to wait for what is late at the end.
_GRACE_S = 5.0


class Connection:
    """A connection that asks for a range and compares what comes."""

    def __init__(self, url: str, film: Film) -> None:
        host, port, self._lines = request_line(url)
        self.film = film
        self.socket = socket.create_connection((host, port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b""
        self._has_head = False
        self.pos = self.left = self._first_pos = self._length = 0

    def ask(self, first_pos: int, length: int) -> None:
        """Send a request."""
        self.pos, self._first_pos, self._length = first_pos, first_pos, length
        self.left, self._head, self._has_head = length, b"", False
        last_pos = first_pos + length - 1
        self.socket.sendall(self._lines + b"Range: bytes=%d-%d\r\n\r\n" % (first_pos, last_pos))

    def receive(self, buffer: bytearray, most: int) -> int:
        """Take what is there, at most *most* bytes; return how many belong to the body.

        :raises WrongBytes: it is not what was asked for.
        :raises BlockingIOError: nothing is there.
        """
        count = self.socket.recv_into(buffer, most)
        if not count:
            raise WrongBytes("the connection ended early")
        start = 0
        if not self._has_head:
            seen = len(self._head)
            self._head += buffer[:count]
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4:
                return 0
            check_head(self._head[:end], self._length, self._first_pos, self.film.size)
            start, self._has_head = end - seen, True
        received = count - start
        if received > self.left:
            raise WrongBytes("more bytes than announced")
        if received:
            self.film.check(buffer, received, self.pos, start)
        self.pos, self.left = self.pos + received, self.left - received
        return received


def run_ranges(
    url: str, film: Film, *, connections: int, requests: int, length: int
) -> list[float]:
    """Ask for ranges, on each connection the next as soon as the last one is complete.

    :returns: the seconds from each request to its last byte.
    :raises WrongBytes: an answer is not the one asked for.
    """
    choose = random.Random(_SEED)  # noqa: S311  # repeatable, not secret
    starts = iter([choose.randrange(film.size - length) for _ in range(requests)])
    buffer = bytearray(length + 16 * 1024)
    taken_s: list[float] = []
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        asked: dict[int, tuple[Connection, float]] = {}

        def ask(connection: Connection) -> None:
            number = connection.socket.fileno()
            first_pos = next(starts, None)
            if first_pos is None:
                poll.unregister(number)
                del asked[number]
            else:
                asked[number] = (connection, time.perf_counter())
                connection.ask(first_pos, length)

        for _ in range(connections):
            connection = Connection(url, film)
            stack.callback(connection.socket.close)
            poll.register(connection.socket, select.EPOLLIN)
            ask(connection)
        while asked:
            events = poll.poll(TIMEOUT_S)
            if not events:
                raise WrongBytes(f"nothing came for {TIMEOUT_S:.0f} s")
            for number, _ in events:
                connection, asked_at = asked[number]
                connection.receive(buffer, len(buffer))
                if not connection.left:
                    taken_s.append(time.perf_counter() - asked_at)
                    ask(connection)
    return taken_s


@dataclass(slots=True)
class Watched:
    """What viewers saw.

    :param taken: bytes of all viewers, of *asked*.
    :param late_viewers: those that at a time had less than they were to show.
    :param worst_s: the most by which a byte was late, in seconds.
    :param lag_s: the most by which this client itself was late to look.
    """

    asked: int = 0
    taken: int = 0
    worst_s: float = 0.0
    lag_s: float = 0.0
    late_viewers: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Viewer:
    connection: Connection
    taken: int = 0
    behind_since: float = 0.0


def watch(url: str, film: Film, *, viewers: int, bytes_per_s: int, seconds: float) -> Watched:
    """Let viewers watch, each from a place of its own, at a constant rate.

    They come within a second, each shows its first byte a second later, and looks every
    quarter of a second: what it shows until the next look is late if it is not there. It takes
    as much again, if that is there. Else the kernel would hold for it what it needs, in a
    buffer that is smaller than that, and the rest would come some milliseconds after the look.

    :raises WrongBytes: a viewer gets something else than the file.
    """
    length = int(bytes_per_s * seconds)
    choose = random.Random(_SEED)  # noqa: S311  # repeatable, not secret
    seen, buffer = Watched(asked=viewers * length), bytearray(2**20)
    watching: dict[int, _Viewer] = {}
    with ExitStack() as stack:
        began = time.perf_counter()
        for due, number in _looks(viewers, seconds):
            _sleep_until(began + due)
            if number not in watching:
                connection = Connection(url, film)
                stack.callback(connection.socket.close)
                connection.ask(choose.randrange(film.size - length), length)
                connection.socket.setblocking(False)
                watching[number] = _Viewer(connection)
            shown_s = due - number / viewers - _START_UP_S + _TICK_S
            shown = min(length, max(0, int(shown_s * bytes_per_s)))
            seen.lag_s = max(seen.lag_s, time.perf_counter() - began - due)
            ahead = min(length, shown + int(_TICK_S * bytes_per_s))
            if not _look(watching[number], shown, ahead, buffer, seen):
                seen.late_viewers.add(number)
            if seen.taken == seen.asked:
                break
    return seen


def _looks(viewers: int, seconds: float) -> Iterator[tuple[float, int]]:
    """Return when to look at which viewer, in order of time; the first is to connect it."""
    come_at = [number / viewers for number in range(viewers)]
    by_phase = sorted(range(viewers), key=lambda number: come_at[number] % _TICK_S)
    for tick in range(int((1.0 + _START_UP_S + seconds + _GRACE_S) / _TICK_S)):
        for number in by_phase:
            due = tick * _TICK_S + come_at[number] % _TICK_S
            if due >= come_at[number] - 1e-9:
                yield due, number


def _look(viewer: _Viewer, shown: int, ahead: int, buffer: bytearray, seen: Watched) -> bool:
    """Take bytes up to *ahead*; tell whether those are there that are shown next."""
    while viewer.taken < ahead:
        try:
            most = min(ahead - viewer.taken, len(buffer))
            received = viewer.connection.receive(buffer, most)
        except BlockingIOError:
            break
        viewer.taken += received
        seen.taken += received
    now = time.perf_counter()
    if viewer.behind_since:
        seen.worst_s = max(seen.worst_s, now - viewer.behind_since)
    if viewer.taken >= shown:
        viewer.behind_since = 0.0
        return True
    viewer.behind_since = viewer.behind_since or now
    return False


def _sleep_until(due: float) -> None:
    left = due - time.perf_counter()
    if left > 0:
        time.sleep(left)
