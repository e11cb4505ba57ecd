"""The rest of a body, moved from socket to socket inside the kernel: it never enters Python.

Both transports keep their sockets; what is spliced goes over duplicates of the descriptors,
by way of a pipe. The upstream's transport is paused for good: what it would read next is
no longer its own. The client's goes on reading, so that it notices when the client leaves.

Source: splice(2), pipe(7). Linux only; everywhere else the relay copies.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from streamproxy.errors import ReadTimeout, UpstreamCut
from streamproxy.relay.outlet import Outlet
from streamproxy.relay.presence import ClientGone, ClientStalled
from streamproxy.upstream.body import PlannedBody

CAN_SPLICE = sys.platform == "linux"
if CAN_SPLICE:
    import fcntl

# Bytes. The larger, the fewer calls; the kernel may refuse the larger ones to a user with
# many pipes (pipe-user-pages-soft), and then gives new ones that hold next to nothing.
_PIPE_SIZES = (1024 * 1024, 256 * 1024)
_MIN_PIPE_SIZE = 64 * 1024
# Bytes that must be left: a pipe and four descriptors cost as much as copying about these.
MIN_LENGTH = 512 * 1024
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK if CAN_SPLICE else 0
# Seconds between two looks at the clock, or a tenth of the shorter time-out.
_MAX_INTERVAL = 0.2
# Seconds for which a fast upstream's bytes are let gather, and bytes at most. Measured: a
# quarter of the CPU of fetching each as it comes.
_GATHERING = 0.005
_MAX_GATHERED = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SpliceLimits:
    """How long to wait without a byte, in seconds.

    :param read: for the upstream to send some.
    :param stall: for the client to take some.
    """

    read: float
    stall: float

    @property
    def interval(self) -> float:
        """How often to look whether one is over."""
        return min(_MAX_INTERVAL, self.read / 10, self.stall / 10)


class _Way(NamedTuple):
    """What bytes go by: the upstream, into the pipe, out of it, the client.

    :param capacity: bytes that the pipe holds.
    """

    source: socket.socket
    pipe_in: int
    pipe_out: int
    target: int
    capacity: int


@contextmanager
def _open_way(source: int, target: int) -> Iterator[_Way]:
    """Open a pipe, and duplicates of two descriptors, for the time of the context.

    :raises OSError: there are no descriptors, or no pipes that are worth it.
    """
    with ExitStack() as stack:
        pipe_out, pipe_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, pipe_out)
        stack.callback(os.close, pipe_in)
        for size in _PIPE_SIZES:
            with suppress(OSError):
                fcntl.fcntl(pipe_in, fcntl.F_SETPIPE_SZ, size)
                break
        capacity = fcntl.fcntl(pipe_in, fcntl.F_GETPIPE_SZ)
        if capacity < _MIN_PIPE_SIZE:
            raise OSError("The pipes of this user are used up.")
        stack.callback(os.close, own_target := os.dup(target))
        own_source = stack.enter_context(socket.socket(fileno=os.dup(source)))
        yield _Way(own_source, pipe_in, pipe_out, own_target, capacity)


async def splice(outlet: Outlet, body: PlannedBody, limits: SpliceLimits) -> None:
    """Move all that the upstream still sends of *body*; or nothing, where that cannot be done.

    :raises ClientGone: the client has left, or taken nothing for too long.
    :raises ReadTimeout, UpstreamProtocol: the upstream; what had come of it was moved.
    """
    client = outlet.plain_socket
    if client is None or not body.can_detach(MIN_LENGTH):
        return
    with ExitStack() as stack:
        try:
            way = stack.enter_context(_open_way(body.fileno(), client.fileno()))
        except OSError:
            return  # no descriptors or no pipes: copying needs neither
        received, left = body.detach()
        if received:
            await outlet.send(received)
        received = b""  # a stalled client would hold it here for as long as it stalls
        if left:
            await outlet.flush()
            outlet.transfer.relay = "splice"

            def moved(length: int) -> None:
                body.advance(length)
                outlet.transfer.bytes_sent += length

            await _Pump(way, left, moved, limits).run()


class _Pump:
    """Fills the pipe from one socket and empties it into the other, as they are ready.

    It waits for one of them at a time: for the upstream while the pipe is empty, else for
    the client. Each call of the event loop moves one pipe at most, so that streams take
    turns. A fast upstream is let gather some milliseconds' worth of bytes between two calls
    (SO_RCVLOWAT); what it does not complete is fetched at the next look at the clock.
    """

    def __init__(
        self, way: _Way, left: int, moved: Callable[[int], None], limits: SpliceLimits
    ) -> None:
        self._way = way
        self._left = left  # to come from the upstream
        self._held = 0  # in the pipe
        self._moved = moved
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._is_blocked = False
        self._progress_at = self._looked_at = self._loop.time()
        self._left_then = left  # at the last look
        self._low_water = 1

    async def run(self) -> None:
        """Move everything.

        :raises ClientGone, ReadTimeout, UpstreamCut: as splice.
        """
        self._timer = self._loop.call_later(self._limits.interval, self._look)
        self._loop.add_reader(self._way.source, self._fill)
        try:
            await self._end
        finally:
            self._timer.cancel()
            self._loop.remove_reader(self._way.source)
            self._loop.remove_writer(self._way.target)

    def _fill(self) -> None:
        """Take from the upstream what there is, and pass it on at once."""
        way = self._way
        try:
            length = os.splice(
                way.source.fileno(), way.pipe_in, min(self._left, way.capacity), flags=_FLAGS
            )
        except BlockingIOError:
            return  # woken for nothing
        except OSError:
            length = 0
        if length == 0:
            self._finish(UpstreamCut("The site cut the connection."))
            return
        self._left -= length
        self._held = length
        if self._left < self._low_water:
            self._gather(self._left)
        self._progress_at = self._loop.time()
        self._drain()

    def _drain(self) -> None:
        """Give to the client what it takes."""
        try:
            length = os.splice(self._way.pipe_out, self._way.target, self._held, flags=_FLAGS)
        except BlockingIOError:
            length = 0
        except OSError:
            self._finish(ClientGone())
            return
        if length:
            self._held -= length
            self._progress_at = self._loop.time()
            self._moved(length)
        if self._held and not self._is_blocked:
            self._is_blocked = True
            self._loop.remove_reader(self._way.source)
            self._loop.add_writer(self._way.target, self._drain)
        elif self._is_blocked and not self._held:
            self._is_blocked = False
            self._loop.remove_writer(self._way.target)
            self._loop.add_reader(self._way.source, self._fill)
        if not self._held and not self._left:
            self._finish(None)

    def _look(self) -> None:
        """Fetch what has not been gathered, and end it when whom it waits for is too slow."""
        if not self._is_blocked:
            self._fill()
        now = self._loop.time()
        waited = now - self._progress_at
        if self._is_blocked and waited >= self._limits.stall:
            self._finish(ClientStalled())
        elif not self._is_blocked and waited >= self._limits.read:
            self._finish(ReadTimeout("The site sent nothing within the time set for it."))
        rate = (self._left_then - self._left) / max(now - self._looked_at, 0.001)
        self._gather(min(int(rate * _GATHERING), _MAX_GATHERED, self._left))
        self._left_then, self._looked_at = self._left, now
        self._timer = self._loop.call_later(self._limits.interval, self._look)

    def _gather(self, length: int) -> None:
        """Wait for so many bytes of the upstream before the next call."""
        low_water = max(length, 1)
        if low_water != self._low_water:
            self._low_water = low_water
            with suppress(OSError):  # of a socket that is gone: the next call will see it
                self._way.source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_water)

    def _finish(self, failure: Exception | None) -> None:
        if self._end.done():
            return
        if failure is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(failure)
