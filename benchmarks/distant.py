"""Make a server on this machine distant: pass on its bytes, each a while later.

    python benchmarks/distant.py LISTEN_PORT PORT --round-trip 0.05

Half of the round trip each way. That of a new connection's handshake is added to the first
bytes on it, which is where whoever connects feels it. What is not imitated is the slow start
of TCP: what is measured through this is the time to the first byte.
"""

import argparse
import asyncio
from collections import deque

_MAX_WAITING = 4 * 2**20


class Side(asyncio.Protocol):
    """One end of a connection; what it receives goes to its other side, later.

    :param held_until: time of the loop before which nothing is passed on.
    """

    def __init__(self, delay_s: float, held_until: float = 0.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay_s, self._held_until = delay_s, held_until
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep bytes for a while."""
        self._keep(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Keep the end as long as what came before it."""
        self._keep(b"")

    def _keep(self, data: bytes) -> None:
        due = max(self._loop.time() + self._delay_s, self._held_until)
        self._waiting.append((due, data))
        self._size += len(data)
        if self._size > _MAX_WAITING and self.transport is not None:
            self.transport.pause_reading()
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._pass_on)

    def _pass_on(self) -> None:
        self._timer = None
        other = None if self.other is None else self.other.transport
        if other is None:  # still connecting
            self._timer = self._loop.call_later(self._delay_s, self._pass_on)
            return
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            data = self._waiting.popleft()[1]
            self._size -= len(data)
            if data:
                other.write(data)
            else:
                other.close()
        if self._size < _MAX_WAITING and self.transport and not self.transport.is_closing():
            self.transport.resume_reading()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._pass_on)


async def serve(listen_port: int, port: int, round_trip_s: float) -> None:
    """Pass on what comes, until cancelled."""
    loop = asyncio.get_running_loop()
    connecting: set[asyncio.Task[None]] = set()

    async def connect(near: Side) -> None:
        far = Side(round_trip_s / 2)
        far.other, near.other = near, far
        await loop.create_connection(lambda: far, "127.0.0.1", port)

    def accept() -> Side:
        near = Side(round_trip_s / 2, loop.time() + 1.5 * round_trip_s)
        task = loop.create_task(connect(near))
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return near

    async with await loop.create_server(accept, "127.0.0.1", listen_port) as server:
        await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("listen_port", type=int)
    parser.add_argument("port", type=int)
    parser.add_argument("--round-trip", type=float, default=0.05, metavar="SECONDS")
    given = parser.parse_args()
    asyncio.run(serve(given.listen_port, given.port, given.round_trip))


if __name__ == "__main__":
    main()
