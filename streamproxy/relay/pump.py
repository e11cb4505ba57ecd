"""The rest of a body, moved from socket to socket past aiohttp and asyncio.

Both transports keep their sockets; who waits for them waits on duplicates of the
descriptors. The upstream's transport is paused meanwhile: what it would read next is not
its own. It goes on when exactly the body was moved, else its connection is closed. The
client's goes on reading, so that it notices when the client leaves.

Not on Windows, whose event loop waits for no descriptors: there everything is relayed
by aiohttp.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from streamproxy.errors import ReadTimeout, UpstreamCut
from streamproxy.relay.outlet import Outlet
from streamproxy.relay.pacing import unpace
from streamproxy.relay.presence import ClientGone, ClientStalled
from streamproxy.relay.shuttle import Shuttle
from streamproxy.relay.splice import CAN_SPLICE, open_pipe
from streamproxy.settings import Settings
from streamproxy.upstream.body import PlannedBody
from streamproxy.upstream.tls import CAN_WAIT

# Bytes that must be left: what it takes to begin costs as much as passing on about these.
MIN_LENGTH = 512 * 1024
# Seconds between two looks at the clock: at first, and, as they double, at last; or a tenth of
# the shorter time-out. Where bytes are gathered, some may wait for the next one.
_MIN_INTERVAL = 0.01
_MAX_INTERVAL = 1.0
_MAX_WAIT = 0.2
# Where an upstream's bytes come in more pieces a second than this, seconds for which they are let
# gather, and bytes at most: half of what a pipe holds. Measured: a third less CPU than with 96 KiB,
# and no more is gained beyond.
_MANY_PIECES = 100
_GATHERING = 0.005
_MAX_GATHERED = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpLimits:
    """How bytes may be moved, and how long to wait without one, in seconds.

    :param read: for the upstream to send some.
    :param stall: for the client to take some.
    :param splice: whether they may be moved within the kernel.
    :param chunk_size: bytes that are copied at once, at most.
    """

    read: float
    stall: float
    splice: bool
    chunk_size: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return those that the settings name."""
        return cls(
            read=settings.read_timeout,
            stall=settings.client_stall_timeout,
            splice=settings.splice and CAN_SPLICE,
            chunk_size=settings.chunk_size,
        )

    @property
    def max_interval(self) -> float:
        """How often to look, at least, whether one is over."""
        return min(_MAX_INTERVAL, self.read / 10, self.stall / 10)


class Way(Protocol):
    """What bytes go by. Both calls raise BlockingIOError where there is nothing to do yet."""

    @property
    def held(self) -> int:
        """How many bytes were taken, and not given."""

    def take(self, length: int) -> int:
        """Take at most *length* bytes from the upstream, while none are held; 0: its end.

        :raises OSError: the upstream's connection is broken.
        """

    def give(self) -> int:
        """Give of what is held as much as the client takes, and return how much.

        :raises OSError: the client's connection is broken.
        """


@dataclass(frozen=True, slots=True)
class _Ends:
    """Two sockets to wait for, and the way between them.

    :param relay: the name of the way, for the log.
    """

    source: socket.socket
    target: int
    way: Way
    relay: str


@contextmanager
def _open_ends(body: PlannedBody, client: int, limits: PumpLimits) -> Iterator[_Ends]:
    """Open a way, and duplicates of two descriptors, for the time of the context.

    :raises OSError: there are no descriptors.
    """
    with ExitStack() as stack:
        stack.callback(os.close, target := os.dup(client))
        source = stack.enter_context(socket.socket(fileno=os.dup(body.fileno())))
        receive = body.receiver
        pipe = None
        if receive is None and limits.splice:
            with suppress(OSError):  # no pipes: copying needs none
                pipe = stack.enter_context(open_pipe(source.fileno(), target))
        if pipe is not None:
            yield _Ends(source, target, pipe, "splice")
        else:
            way = Shuttle(receive or source.recv_into, target, limits.chunk_size)
            yield _Ends(source, target, way, "copy")


def worth_gathering(pieces: int, length: int, elapsed: float, left: int) -> int:
    """Return for how many bytes of an upstream to wait at a time; 1: for any.

    :param pieces: in how many they came, *length* bytes together, in *elapsed* seconds.
    :param left: bytes to come.
    """
    if pieces < _MANY_PIECES * elapsed:
        return 1
    return max(min(int(length / elapsed * _GATHERING), _MAX_GATHERED, left), 1)


async def pump(outlet: Outlet, body: PlannedBody, limits: PumpLimits) -> None:
    """Move all that the upstream still sends of *body*; or nothing, where that cannot be done.

    :raises ClientGone: the client has left, or taken nothing for too long.
    :raises ReadTimeout, UpstreamProtocol: the upstream; what had come of it was moved.
    """
    client = outlet.plain_socket
    if not CAN_WAIT or client is None or not body.can_detach(MIN_LENGTH):
        return
    with ExitStack() as stack:
        try:
            ends = stack.enter_context(_open_ends(body, client.fileno(), limits))
        except OSError:
            return  # aiohttp needs no more descriptors
        unpace(client)
        received, left = body.detach()
        if received:
            await outlet.send(received)
        received = b""  # a stalled client would hold it here for as long as it stalls
        if left:
            await outlet.flush()
            outlet.transfer.relay = ends.relay

            def moved(length: int, held: int) -> None:
                body.advance(length)
                outlet.transfer.bytes_sent += length
                outlet.transfer.held = held

            await _Pump(ends, left, moved, limits).run()
            body.attach(left)


# Makes what is raised where it is raised: an exception holds, by its traceback, all who would
# hold it.
_Failure = Callable[[], Exception]
_cut = partial(UpstreamCut, "The site cut the connection.")
_timeout = partial(ReadTimeout, "The site sent nothing within the time set for it.")


class _Pump:
    """Takes bytes from one socket and gives them to the other, as they are ready.

    It waits for one of them at a time: for the upstream while no bytes are held, else for
    the client. Each call of the event loop moves as much as the way holds, so that streams
    take turns. What comes in many pieces is let gather for some milliseconds (SO_RCVLOWAT); what
    stays incomplete is fetched at the next look at the clock.
    """

    def __init__(
        self, ends: _Ends, left: int, moved: Callable[[int, int], None], limits: PumpLimits
    ) -> None:
        self._source = ends.source
        # By its number: where asyncio looks for a socket, it writes out who it connects.
        self._source_number = ends.source.fileno()
        self._target = ends.target
        self._way = ends.way
        self._left = left  # to come from the upstream
        self._moved = moved
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[_Failure | None] = self._loop.create_future()
        self._is_blocked = False
        self._progress_at = self._looked_at = self._loop.time()
        self._left_then = left  # at the last look
        self._pieces = 0  # that have come since then
        self._max_interval = limits.max_interval
        self._interval = min(_MIN_INTERVAL, self._max_interval)
        self._low_water = 1

    async def run(self) -> None:
        """Move everything.

        :raises ClientGone, ReadTimeout, UpstreamCut: as pump.
        """
        self._timer = self._loop.call_later(self._interval, self._look)
        self._loop.add_reader(self._source_number, self._fill)
        try:
            failure = await self._end
        finally:
            self._timer.cancel()
            self._loop.remove_reader(self._source_number)
            self._loop.remove_writer(self._target)
            self._gather(1)  # whoever reads from the connection next wants the first byte
        if failure is not None:
            raise failure()

    def _fill(self) -> None:
        """Take from the upstream what there is, and pass it on at once."""
        if self._end.done():
            return
        try:
            length = self._way.take(self._left)
        except BlockingIOError:
            return  # woken for nothing
        except OSError:
            length = 0
        if length == 0:
            self._finish(_cut)
            return
        self._left -= length
        self._pieces += 1
        if self._left < self._low_water:
            self._gather(max(self._left, 1))
        self._progress_at = self._loop.time()
        self._drain()

    def _drain(self) -> None:
        """Give to the client what it takes."""
        try:
            length = self._way.give()
        except BlockingIOError:
            length = 0
        except OSError:
            self._finish(ClientGone)
            return
        if length:
            self._progress_at = self._loop.time()
        held = self._way.held
        self._moved(length, held)
        if held and not self._is_blocked:
            self._is_blocked = True
            self._loop.remove_reader(self._source_number)
            self._loop.add_writer(self._target, self._drain)
        elif self._is_blocked and not held:
            self._is_blocked = False
            self._loop.remove_writer(self._target)
            self._loop.add_reader(self._source_number, self._fill)
        if not held and not self._left:
            self._finish(None)

    def _look(self) -> None:
        """Fetch what has not been gathered, and end it when whom it waits for is too slow."""
        if self._low_water > 1 and not self._is_blocked:
            self._fill()
        now = self._loop.time()
        waited = now - self._progress_at
        if self._is_blocked and waited >= self._limits.stall:
            self._finish(ClientStalled)
        elif not self._is_blocked and waited >= self._limits.read:
            self._finish(_timeout)
        elapsed, length = max(now - self._looked_at, 0.001), self._left_then - self._left
        self._gather(worth_gathering(self._pieces, length, elapsed, self._left))
        self._left_then, self._pieces, self._looked_at = self._left, 0, now
        longest = self._max_interval if self._low_water == 1 else min(self._max_interval, _MAX_WAIT)
        self._interval = min(2 * self._interval, longest)
        self._timer = self._loop.call_later(self._interval, self._look)

    def _gather(self, length: int) -> None:
        """Wait for so many bytes of the upstream before the next call."""
        if length != self._low_water:
            self._low_water = length
            with suppress(OSError):  # of a socket that is gone: the next call will see it
                self._source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, length)

    def _finish(self, failure: _Failure | None) -> None:
        if not self._end.done():
            self._end.set_result(failure)
